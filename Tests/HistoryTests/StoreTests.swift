// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import History
import TestSupport
import Testing

/// What is put in comes out, once, whatever is said twice.
@Suite struct StoreTests {
  @Test("every line of real kills comes out as it went in, and once where it comes twice")
  func realLines() throws {
    let kept = Kept()
    let store = kept.store()
    #expect(Kept.realLines.count > 50)
    for line in Kept.realLines { #expect(store.take(Array(line.utf8) + [0x0a])) }
    #expect(store.flush())
    let first = store.status
    for line in Kept.realLines { #expect(store.take(Array(line.utf8))) }
    store.close()
    let status = store.status
    #expect(status.failure == nil)
    #expect(status.linesStored == first.linesStored)
    #expect(status.linesDoubled == first.linesDoubled + Int64(Kept.realLines.count))
    let stored = Set(try kept.rows().map { String(decoding: $0.line, as: UTF8.self) })
    #expect(stored.count == Int(first.linesStored))
    #expect(stored.isSubset(of: Set(Kept.realLines)))
    #expect(first.linesDoubled < first.linesStored / 2)
    #expect(kept.sqlite("PRAGMA integrity_check") == "ok")
    #expect(kept.sqlite("SELECT count(*) FROM events") == "\(stored.count)")
    #expect(kept.sqlite("PRAGMA journal_mode") == "wal")
  }

  @Test("the file is 0640 and its folder 0750, whatever umask says, and a hostile name is a name")
  func modes() throws {
    let before = umask(0o077)
    let kept = Kept()
    var settings = HistorySettings(path: kept.folder + "/a?mode=ro#%41 b\u{7f}/h?.db")
    settings.batchLines = 1
    let store = HistoryStore(settings)
    #expect(store.take(Kept.line(1)))
    umask(before)
    #expect(store.status.failure == nil)
    #expect(store.status.linesStored == 1)
    for name in ["", "-wal", "-shm"] {
      var status = stat()
      #expect(stat(settings.path + name, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o640, "\(name)")
    }
    var status = stat()
    #expect(stat(kept.folder + "/a?mode=ro#%41 b\u{7f}", &status) == 0)
    // What umask takes away of a folder stays away.
    #expect(status.st_mode & 0o777 & ~0o750 == 0)
  }

  @Test("a kill that the log tells again after a restart is the same, and one of another process is not")
  func pastKills() throws {
    let kept = Kept()
    let store = kept.store()
    let started = Kept.now(1).wallNanoseconds! - 60 * MadeKill.minute
    let live = Kept.line(1) { kill in
      (kill.victim.tid, kill.victim.startWallNanoseconds) = (1001, started)
    }
    #expect(store.take(live))
    // The log's clock is a second off, and it has no start time.
    func logged(_ number: Int, pid: Int32, comm: String = "hog", boot: String = Kept.bootID) -> [UInt8] {
      Kept.line(number, comm: comm, boot: boot) { kill in
        (kill.victim.pid, kill.victim.tid, kill.source, kill.decision.id) = (pid, pid, .log, 1 << 40)
      }
    }
    #expect(store.take(logged(2, pid: 1001)))
    #expect(store.flush())
    #expect(store.status.linesDoubled == 1)
    let others = [
      logged(900, pid: 1001), logged(3, pid: 1002), logged(4, pid: 1001, comm: "other"),
      logged(1, pid: 1001, boot: "11111111-2222-4333-8444-555555555555"),
    ]
    for other in others { #expect(store.take(other)) }
    #expect(store.flush())
    #expect(store.status.linesDoubled == 1)
    #expect(store.status.linesStored == Int64(1 + others.count))
  }

  @Test("what a probe tells takes the place of what the log told")
  func richer() throws {
    let kept = Kept()
    let store = kept.store()
    #expect(store.take(Kept.line(1) { $0.source = .kmsg }))
    #expect(store.flush())
    #expect(store.take(Kept.line(1) { $0.source = .fentry }))
    store.close()
    let rows = try kept.rows()
    #expect(rows.count == 1)
    #expect(rows.first.map { String(decoding: $0.line, as: UTF8.self).contains("\"fentry\"") } == true)
    #expect(kept.sqlite("SELECT count(*) FROM lines") == "1")
    // Each of the two is counted.
    #expect(store.status.linesStored == 1 && store.status.linesDoubled == 1 && store.status.rows == 1)
  }

  @Test("the log's line stays where the probe's finds its place taken, and where the kill has a probe's line already")
  func poorerStays() throws {
    let kept = Kept()
    let store = kept.store()
    let logged = Kept.line(1) { $0.source = .kmsg }
    // Of another process, and at the place in the order that the probe's line would have.
    let other = Kept.line(2) { $0.victim.pid = 1 }
    let probed = Kept.line(2) { $0.victim.pid = 1001 }
    for line in [logged, other, probed, probed] { #expect(store.take(line)) }
    #expect(store.flush())
    #expect(try kept.rows().map(\.line) == [logged, other].map { Array($0.dropLast()) })
    #expect(store.status.linesStored == 2 && store.status.linesDoubled == 2)
    // One more of the same kill, at a place of its own, is richer; the next finds that one.
    for number in [1, 3, 1] { #expect(store.take(Kept.line(number) { $0.victim.pid = 1001 })) }
    store.close()
    #expect(store.status.linesStored == 2 && store.status.linesDoubled == 5)
    #expect(try kept.rows().count == 2)
  }

  static let junk: [String] = [
    "", "{", "null", "[1,2]", #"{"schema":"oomwitness.v2","type":"loss","seq":1}"#, #"{"type":"loss","seq":1}"#,
    #"{"schema":"oomwitness.v1","type":"loss"}"#, #"{"schema":"oomwitness.v1","type":"loss","seq":0}"#,
    #"{"schema":"oomwitness.v1","type":"loss","seq":-3}"#, #"{"schema":"oomwitness.v1","type":"Loss; DROP","seq":1}"#,
    #"{"schema":"oomwitness.v1","type":"oom_kill","seq":1}"#,
    #"{"schema":"oomwitness.v1","type":"oom_kill","seq":1,"decision":{"id":1},"victim":{"pid":"x","comm":"y"}}"#,
    #"{"schema":"oomwitness.v1","type":"loss","seq":1} {}"#, String(repeating: "[", count: 1000),
  ]

  @Test("what is no line of a stream is counted and not stored", arguments: junk)
  func refusesJunk(line: String) throws {
    let kept = Kept()
    let store = kept.store()
    #expect(!store.take(Array(line.utf8)))
    #expect(store.take(Kept.line(1)))
    store.close()
    #expect(store.status.linesMalformed == 1)
    #expect(try kept.rows().count == 1)
  }

  @Test("a type and fields that are not known are kept, and a name may hold anything")
  func unknown() throws {
    let kept = Kept()
    let store = kept.store()
    let lines = [
      #"{"schema":"oomwitness.v1","type":"brand_new","seq":7,"victim":{"pid":1},"deep":[{"a":null}]}"#,
      #"{"schema":"oomwitness.v1","type":"oom_kill","seq":1,"decision":{"id":1},"#
        + #""victim":{"pid":1,"comm":"'; DROP TABLE events; --\u0000\u001b[31m"}}"#,
      #"{"schema":"oomwitness.v1","type":"loss","seq":9223372036854775807,"time":"0000-00-00T00:00:00Z","monotonic_ns":1e9}"#,
    ]
    for line in lines { #expect(store.take(Array(line.utf8))) }
    store.close()
    #expect(try kept.rows().map { String(decoding: $0.line, as: UTF8.self) } == lines)
    #expect(kept.sqlite("PRAGMA integrity_check") == "ok")
  }

  @Test("lines wait for one another, for a second or until there are 256")
  func batches() throws {
    let kept = Kept()
    let clock = FakeClock()
    let store = kept.store { $0.clock = clock.read }
    for number in 1...10 { store.take(Kept.line(number)) }
    store.tick()
    #expect(store.status.linesStored == 0)
    #expect(store.dueNanoseconds == clock.monotonic + 1_000_000_000)
    clock.pass(1_000_000_000)
    store.tick()
    #expect(store.status.linesStored == 10)
    for number in 11...(10 + 256) { store.take(Kept.line(number)) }
    #expect(store.status.linesStored == 266)
    #expect(store.status.linesWaiting == 0)
  }
}

/// A clock that goes when it is told to.
final class FakeClock: @unchecked Sendable {
  var wall = MadeKill.day
  var monotonic: Int64 = 1_000_000_000_000

  func pass(_ nanoseconds: Int64) {
    wall += nanoseconds
    monotonic += nanoseconds
  }

  var read: @Sendable () -> EventTime {
    { EventTime(wallNanoseconds: self.wall, monotonicNanoseconds: self.monotonic) }
  }
}
