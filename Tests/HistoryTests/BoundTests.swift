// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import History
import TestSupport
import Testing

/// What a history may hold, and what becomes of it where the disk or the file fails.
@Suite struct BoundTests {
  static let hour: Int64 = 3_600_000_000_000

  @Test("rows go by their age, the oldest first, and so many at a time that a wrong clock takes few")
  func age() throws {
    let kept = Kept()
    let clock = FakeClock()
    let store = kept.store {
      $0.clock = clock.read
      $0.secondsMax = 86_400
    }
    for number in 1...1500 { store.take(Kept.line(number)) }
    store.flush()
    clock.pass(23 * BoundTests.hour)
    for number in 1501...1600 { store.take(Kept.line(number)) }
    store.flush()
    store.tick()
    #expect(store.status.rowsAged == 0)
    clock.pass(2 * BoundTests.hour)
    store.tick()
    #expect(store.status.rowsAged == 1024)
    for _ in 0..<5 {
      clock.pass(60_000_000_000)
      store.tick()
    }
    #expect(store.status.rowsAged == 1500)
    #expect(store.status.rows == 100)
    store.close()
    #expect(try kept.rows().first?.id == 1501)
    #expect(kept.sqlite("SELECT count(*) FROM lines") == "100")
  }

  @Test("the file stays as small as it is to be, and what it gives up is the oldest")
  func size() throws {
    let kept = Kept()
    let store = kept.store { $0.bytesMax = HistorySettings.bytesMin }
    let path = String(repeating: "/padding", count: 100)
    for number in 1...1600 { store.take(Kept.line(number) { $0.victim.cgroup = CgroupRef(path: KernelName(path)) }) }
    store.flush()
    store.close()
    let status = store.status
    #expect(status.failure == nil)
    #expect(status.rowsOverSize > 1000)
    #expect(status.rows == 1600 - status.rowsOverSize)
    #expect(status.bytes <= HistorySettings.bytesMin)
    var file = stat()
    #expect(stat(kept.path, &file) == 0)
    #expect(file.st_size < 3 * HistorySettings.bytesMin)
    let rows = try kept.rows()
    #expect(rows.last?.id == 1600)
    #expect(rows.first?.id == 1601 - status.rows)
    #expect(kept.sqlite("PRAGMA integrity_check") == "ok")
  }

  @Test(
    "a disk that is full stops nobody: lines wait, some are dropped and counted, and all goes on when there is room")
  func fullDisk() throws {
    guard geteuid() == 0 || Requirement.mustRun else { return }
    let kept = Kept()
    mkdir(kept.folder, 0o755)
    let mounted = Program.run("/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", kept.folder])
    try #require(mounted.status == 0, "\(mounted.errors)")
    defer { _ = Program.run("/bin/umount", ["-l", kept.folder]) }
    let clock = FakeClock()
    let store = kept.store {
      $0.clock = clock.read
      $0.waitingBytesMax = 256 * 1024
    }
    var number = 0
    while store.status.linesDropped == 0, number < 20_000 {
      number += 1
      store.take(Kept.line(1 + number))
      clock.pass(100_000_000)
      store.tick()
    }
    let full = store.status
    #expect(full.linesStored > 0)
    guard case .database(_, .write, 13, _)? = full.failure else { return #expect(Bool(false), "\(full)") }
    #expect(full.linesWaiting > 0)
    // The readers of a full disk read.
    #expect(try kept.rows().count == Int(full.linesStored))
    #expect(Program.run("/bin/mount", ["-o", "remount,size=16m", kept.folder]).status == 0)
    for _ in 0..<3 {
      clock.pass(61_000_000_000)
      store.tick()
    }
    let after = store.status
    #expect(after.failure == nil)
    #expect(after.linesWaiting == 0)
    #expect(after.linesStored + after.linesDropped == Int64(number))
    store.close()
    #expect(kept.sqlite("PRAGMA integrity_check") == "ok")
  }

  @Test("where its name is another file's, or nobody's, it goes on in a new one")
  func moved() throws {
    let kept = Kept()
    let store = kept.store()
    store.take(Kept.line(1))
    store.flush()
    #expect(rename(kept.path, kept.path + ".old") == 0)
    unlink(kept.path + "-wal")
    unlink(kept.path + "-shm")
    store.take(Kept.line(2))
    #expect(store.flush())
    store.close()
    #expect(try kept.rows().map(\.id) == [1])
    #expect(try kept.rows().first?.line == Array(Kept.line(2).dropLast()))
  }

  @Test("a database of another program's, and one of a later version, are left alone")
  func foreign() throws {
    let kept = Kept()
    mkdir(kept.folder, 0o755)
    #expect(kept.sqlite("CREATE TABLE t (x); INSERT INTO t VALUES (1)") == "")
    let store = kept.store()
    #expect(store.status.failure == .foreign(path: kept.path))
    store.take(Kept.line(1))
    #expect(!store.flush())
    #expect(kept.sqlite("SELECT x FROM t") == "1")
    unlink(kept.path)
    kept.store().close()
    #expect(kept.sqlite("PRAGMA user_version = 2") == "")
    #expect(kept.store().status.failure == .newer(path: kept.path, version: 2))
    #expect(throws: HistoryError.newer(path: kept.path, version: 2)) { try kept.reader() }
  }

  @Test("a file that is damaged anywhere is read or set aside, and never stops what comes", arguments: 0..<24)
  func damage(place: Int) throws {
    let kept = Kept()
    let before = kept.store()
    for number in 1...120 { before.take(Kept.line(number)) }
    before.close()
    var bytes = try #require(Bytes.read(kept.path))
    // Of the first page each part, then places all over the file; three of them are cut off.
    let at = place < 8 ? place * 13 : bytes.count * (place - 7) / 18
    if place > 20 {
      bytes.removeLast(bytes.count - at)
    } else {
      for offset in at..<min(bytes.count, at + 64) { bytes[offset] = UInt8(truncatingIfNeeded: offset &* 167 &+ place) }
    }
    Bytes.write(bytes, to: kept.path)
    if let reader = try? kept.reader() {
      _ = try? reader.all(HistoryFilter()) { _ in true }
      _ = try? reader.last(10, HistoryFilter())
    }
    let store = kept.store()
    for number in 121...240 { store.take(Kept.line(number)) }
    store.flush()
    store.flush()
    store.close()
    let status = store.status
    #expect(status.linesStored + status.linesDoubled == 120 || status.failure != nil, "\(status)")
    #expect(status.linesDropped == 0 || status.failure != nil)
    if status.filesSetAside > 0 {
      let aside = try #require(status.lastSetAside)
      #expect(Bytes.read(aside) != nil)
      #expect(kept.sqlite("PRAGMA integrity_check") == "ok")
    }
    if case .foreign? = status.failure {} else { #expect(status.failure == nil, "\(status)") }
  }

  @Test("of damaged files three stay")
  func setAside() throws {
    let kept = Kept()
    let clock = FakeClock()
    for round in 1...5 {
      clock.pass(1_000_000_000)
      mkdir(kept.folder, 0o755)
      Bytes.write(Array(repeating: UInt8(round), count: 5000), to: kept.path)
      let store = kept.store { $0.clock = clock.read }
      #expect(store.status.filesSetAside == 1)
      #expect(store.status.lastSetAside == kept.path + ".damaged-20261125T00000\(round)Z")
      store.close()
    }
    let names = Files.names(in: kept.folder).filter { $0.contains(".damaged-") }
    #expect(names == (3...5).map { "history.db.damaged-20261125T00000\($0)Z" })
  }

  @Test("who is not to set aside says what is wrong, and leaves it")
  func leavesDamage() throws {
    let kept = Kept()
    mkdir(kept.folder, 0o755)
    Bytes.write(Array("root:x:0:0:root:/root:/bin/bash\n".utf8) + Array(repeating: 0x41, count: 4096), to: kept.path)
    let store = kept.store { $0.setsDamagedAside = false }
    #expect(store.status.failure?.isDamage == true)
    #expect(Files.names(in: kept.folder) == ["history.db"])
  }
}

/// Files of any bytes, whole.
enum Bytes {
  static func read(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
    return bytes
  }

  static func write(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "we") else { return }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }
}
