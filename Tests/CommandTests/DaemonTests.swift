// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestSupport
import Testing

/// The daemon as a service manager and its configuration meet it.
@Suite(.realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct DaemonTests {
  struct Bad: Sendable, CustomTestStringConvertible {
    var text: String
    /// After the file and a colon.
    var sentence: String
    var testDescription: String { text }
  }

  static let bad: [Bad] = [
    Bad(text: "sink: []", sentence: "1:1: unknown key 'sink'; did you mean 'sinks'? (known: host_name, "),
    Bad(text: "- a", sentence: "1:1: the configuration is to be a mapping, not a list"),
    Bad(text: "state_directory: here", sentence: "1:18: state_directory is to be a path from the root, not here"),
    Bad(text: "pressure:\n  memry: 1,2,3", sentence: "2:10: unknown key 'memry'; did you mean 'memory'?"),
    Bad(text: "pressure:\n  xyz: 1", sentence: "2:8: unknown key 'xyz'"),
    Bad(
      text: "pressure:\n  swap: 1,2,3\n  memory: 9,2,3",
      sentence: "3:11: --memory takes three percentages above 0 and up to 100 in the order low, medium, critical, "),
    Bad(
      text: "guard:\n  prefer: ['^a', '(b']",
      sentence: "2:11: --prefer '(b', byte 1: this ( has no )"),
    Bad(text: "guard:\n  memory: 5,10", sentence: "2:11: --memory: SIGKILL's threshold 10 is above SIGTERM's 5"),
    Bad(
      text: "trace:\n  duration: 5", sentence: "2:13: 'duration' is for the command line, not for a service"),
    Bad(text: "trace:\n  candidates: few", sentence: "2:15: The value 'few' is invalid for '--candidates <n|all>'"),
    Bad(text: "protect:\n  preset: nope", sentence: "2:11: there is no preset 'nope'"),
    Bad(text: "sinks:\n  file: x", sentence: "2:3: sinks is to be a list, not a mapping"),
    Bad(text: "sinks:\n  - path: /x", sentence: "2:5: 'type' is missing"),
    Bad(text: "sinks:\n  - type: fil", sentence: "2:11: unknown key 'fil'; did you mean 'file'?"),
    Bad(text: "sinks:\n  - type: file", sentence: "2:5: 'path' is missing"),
    Bad(text: "sinks:\n  - {type: file, path: x}", sentence: "2:24: path is to be a path from the root, not x"),
    Bad(
      text: "sinks:\n  - {type: file, path: /x, max_size: 64}",
      sentence: "2:38: max_size takes 4K to 1048576G, not 64"),
    Bad(text: "sinks:\n  - {type: stdout, url: x}", sentence: "2:20: unknown key 'url' (known: name, type, filter)"),
    Bad(
      text: "sinks:\n  - {type: stream, address: 'udp:a:1'}",
      sentence: "2:29: address is unix:/PATH or tcp:HOST:PORT, not udp:a:1"),
    Bad(
      text: "sinks:\n  - {type: stream, address: 'tcp:a:70000'}",
      sentence: "2:5: sink stream: a port is 1 to 65535, not 70000"),
    Bad(
      text: "sinks:\n  - {type: http, url: 'ftp://a'}",
      sentence: "2:5: sink http: a URL begins with https:// or http://"),
    Bad(
      text: "sinks:\n  - {type: stdout, filter: {types: [oom]}}",
      sentence: "2:5: sink stdout: 'oom' is no type of event (known: "),
    Bad(
      text: "sinks:\n  - type: stdout\n  - type: stdout",
      sentence: "3:5: two sinks are called 'stdout': give one another name"),
    Bad(text: "a: [", sentence: "2:1: this is no YAML: "),
  ]

  @Test("a configuration that is wrong is one sentence with its place, and exit 64", arguments: bad)
  func wrong(bad: Bad) {
    let folder = DaemonFolder(bad.text, isWhole: true)
    let ended = Program.run(Program.oomwitness, ["daemon", "--config", folder.config, "--check-config"])
    #expect(ended.status == 64 && ended.output == "")
    #expect(ended.errors.hasPrefix("oomwitness: \(folder.config):\(bad.sentence)"), "\(ended.errors)")
    #expect(ended.errors.split(separator: "\n").count == 1)
  }

  @Test("--check-config prints what was understood")
  func understood() {
    let folder = DaemonFolder(
      """
      host_name: db-1
      state_directory: /var/lib/elsewhere
      trace: {candidates: 5}
      pressure: {memory: '60,80,90', cgroup: [/a, /b]}
      guard: {dry_run: true}
      sinks:
        - {type: file, path: /var/log/oomwitness/events.ndjson}
        - {name: hook, type: webhook, url: 'https://user:secret@example.org/secret', filter: {types: [oom_kill]}}
      """, isWhole: true)
    let ended = Program.run(Program.oomwitness, ["daemon", "--config", folder.config, "--check-config"])
    #expect(ended.status == 0 && ended.errors == "")
    #expect(
      ended.output.hasPrefix(
        """
        host name        db-1
        state directory  /var/lib/elsewhere
        trace            --candidates=5
        pressure         --memory=60,80,90 --cgroup=/a --cgroup=/b
        guard            --dry-run
        protect          off
        metrics          off
        history          /var/lib/elsewhere/history.db, 90 days and 256 MiB at most
        sinks            file: /var/log/oomwitness/events.ndjson
                         hook: https://example.org, filtered: oom_kill

        """), "\(ended.output)")
  }

  @Test("a daemon that is killed and started again tells each kill once")
  func killed() throws {
    let folder = DaemonFolder("sinks: [{type: file, path: @/events}]\npressure: false\n")
    let group = ScratchCgroup("oomwitness-daemon-\(getpid())", limitBytes: 32 << 20)
    let before = KillTests.BackfillTests.oomKillCount()
    var daemon = folder.daemon()
    #expect(folder.waits(for: "stream_start"))
    let first = group.start(KillTests.hog)
    _ = first.wait()
    #expect(folder.waits(for: "oom_outcome"))
    daemon.signal(SIGKILL)
    #expect(daemon.wait().status == 128 + SIGKILL)
    let second = group.start(KillTests.hog)
    _ = second.wait()
    daemon = folder.daemon()
    #expect(folder.waits(for: "\"pid\":\(second.pid),"))
    let third = group.start(KillTests.hog)
    _ = third.wait()
    #expect(folder.waits(for: "\"pid\":\(third.pid),"))
    daemon.signal(SIGTERM)
    let ended = daemon.wait()
    #expect(ended.status == 0, "\(ended.errors)")
    let events = Line.all(in: folder.events)
    // What was under way when it was killed comes again, and is known by its numbers.
    var numbers: Set<[String]> = []
    let once = events.filter { numbers.insert([$0.text("stream") ?? "", "\($0.number("seq") ?? 0)"]).inserted }
    let kills = once.filter { $0.type == "oom_kill" && $0.text("victim", "cgroup", "path") == group.path }
    #expect(kills.map { $0.number("victim", "pid") } == [first, second, third].map { Int($0.pid) })
    #expect(kills.map { $0.text("source") == "kmsg" } == [false, true, false])
    #expect(kills.count == KillTests.BackfillTests.oomKillCount() - before)
    #expect(Set(events.map { $0.text("stream") }).count == 2)
    let end = try #require(events.last)
    #expect(end.type == "stream_end" && end.number("kills_told_before") ?? 0 >= 1)
    #expect(end.number("kernel_count_lost") == 0)
    #expect(SchemaJudge.judged("oomwitness.v1.schema.json", folder.events).hasSuffix("judged: True\n"))
  }

  @Test("several loops speak in one stream, and the service manager hears of it")
  func oneStream() throws {
    let folder = DaemonFolder(
      """
      pressure: {memory: '0.01,100,100', swap: '100,100,100'}
      guard: {memory: 100, swap: 100, dry_run: true}
      sinks: [{type: file, path: @/events}]
      """)
    let notify = try #require(NotifySocket(folder.path + "/notify"))
    let daemon = folder.daemon(["NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "2000000"])
    #expect(notify.waits(for: "READY=1\nSTATUS=watching: trace, pressure, guard"))
    #expect(notify.waits(for: "WATCHDOG=1"))
    #expect(folder.waits(for: "\"type\":\"pressure\"") && folder.waits(for: "\"outcome\":\"would_send\""))
    // A file that was moved away is made anew, a configuration that cannot be changes nothing, and one that can does.
    rename(folder.path + "/events", folder.path + "/events.1")
    Files.write("guard: {memry: 1}\n", to: folder.config)
    daemon.signal(SIGHUP)
    #expect(notify.waits(for: "RELOADING=1\nMONOTONIC_USEC="))
    #expect(notify.waits(for: "READY=1\nSTATUS=watching: trace, pressure, guard"))
    folder.write("pressure: {memory: '0.01,100,100'}\nsinks: [{type: file, path: @/events}]\n")
    daemon.signal(SIGHUP)
    #expect(notify.waits(for: "READY=1\nSTATUS=watching: trace, pressure"))
    #expect(folder.waits(for: "\"type\":\"pressure\""))
    daemon.signal(SIGTERM)
    #expect(notify.waits(for: "STOPPING=1"))
    let ended = daemon.wait()
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(
      ended.errors.contains("unknown key 'memry'; did you mean 'memory'?\noomwitness: the configuration is as it was\n")
    )
    let lines = (Files.text(folder.path + "/events.1") ?? "") + folder.events
    #expect(Line.all(in: lines).map { $0.number("seq") } == Line.all(in: lines).indices.map { $0 + 1 })
    #expect(Line.all(in: lines).last?.type == "stream_end")
    #expect(SchemaJudge.judged("oomwitness.v1.schema.json", lines).hasSuffix("judged: True\n"))
  }

  @Test("what the daemon's own guard does is told by it, and not again by the witness that sees its signal")
  func ownGuard() {
    let group = ScratchCgroup("oomwitness-daemon-guard-\(getpid())", limitBytes: 64 << 20)
    let folder = DaemonFolder(
      """
      pressure: false
      guard: {cgroup: \(group.path), memory: '20,5', swap: 100}
      sinks: [{type: file, path: @/events}]
      """)
    let daemon = folder.daemon()
    #expect(folder.waits(for: "stream_start"))
    let hog = group.start(GuardTests.hog(60))
    #expect(folder.waits(for: "\"outcome\":\"exited\""))
    daemon.signal(SIGTERM)
    let ended = daemon.wait()
    #expect(ended.status == 0, "\(ended.errors)")
    hog.signal(SIGKILL)
    _ = hog.wait()
    group.end()
    let own = Line.all(in: folder.events).filter { $0.number("victim", "pid") == Int(hog.pid) }
    #expect(own.map { $0.text("outcome") } == ["sent", "exited"], "\(folder.events)")
    #expect(own.allSatisfy { $0.number("action_id") == 1 })
  }

  @Test("two daemons do not share a state directory, and one without a place for it says so")
  func places() {
    let folder = DaemonFolder("sinks: [{type: file, path: @/events}]\npressure: false\n")
    let daemon = folder.daemon()
    #expect(folder.waits(for: "stream_start"))
    let second = folder.daemon().wait()
    #expect(second.status == 1)
    #expect(second.errors.contains("\(folder.path)/state/spool is in use by another oomwitness"), "\(second.errors)")
    daemon.signal(SIGINT)
    #expect(daemon.wait().status == 0)
    let lost = DaemonFolder("state_directory: /proc/nowhere\n", isWhole: true)
    let nowhere = lost.daemon().wait()
    #expect(nowhere.status == 1 && nowhere.errors.contains("cannot make the state_directory /proc/nowhere: "))
    let absent = Program.run(Program.oomwitness, ["daemon", "--config", "/nowhere/config.yaml"])
    #expect(absent.status == 64)
    #expect(absent.errors == "oomwitness: cannot open /nowhere/config.yaml: no such file or directory\n")
  }
}

/// A folder with a configuration, in which `@` stands for the folder, and the daemon's files.
final class DaemonFolder {
  let path: String
  var config: String { path + "/config.yaml" }
  private static let made = Atomic(0)

  /// - Parameter isWhole: nothing is added; else the state is kept in the folder.
  init(_ text: String, isWhole: Bool = false) {
    path = "/tmp/oomwitness-daemon-\(getpid())-\(DaemonFolder.made.add(1, ordering: .relaxed).newValue)"
    mkdir(path, 0o755)
    if isWhole { Files.write(text, to: config) } else { write(text) }
  }

  func write(_ text: String) {
    let pieces = text.split(separator: "@/", omittingEmptySubsequences: false)
    Files.write("state_directory: \(path)/state\n" + pieces.joined(separator: path + "/") + "\n", to: config)
  }

  func daemon(_ environment: [String: String] = [:]) -> Program {
    Program(Program.oomwitness, ["daemon", "--config", config], environment: environment)
  }

  var events: String { Files.text(path + "/events") ?? "" }

  func waits(for text: String, seconds: Double = 20) -> Bool {
    for _ in 0..<Int(seconds * 50) {
      if events.contains(text) { return true }
      usleep(20_000)
    }
    return false
  }

  deinit { _ = Program.run("/bin/rm", ["-rf", path]) }
}

/// What systemd listens at: each datagram is a message. Source: sd_notify(3).
final class NotifySocket {
  let path: String
  private let descriptor: Int32
  private var messages: [String] = []

  init?(_ path: String) {
    self.path = path
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard descriptor >= 0, bound == 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Takes messages until one begins so; those before it are gone.
  func waits(for text: String, seconds: Double = 20) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 4096)
    for _ in 0..<Int(seconds * 10) {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, 100) == 1 else { continue }
      let count = recv(descriptor, &bytes, bytes.count, 0)
      if count > 0, String(decoding: bytes[..<count], as: UTF8.self).hasPrefix(text) { return true }
    }
    return false
  }
}
