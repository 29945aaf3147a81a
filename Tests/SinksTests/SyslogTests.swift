// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// Syslog by RFC 5424, as rsyslog understands it.
@Suite struct SyslogTests {
  /// Installed, or unpacked by `.ci/packages test`.
  private static let rsyslog: (program: String, libraries: String)? = {
    if access("/usr/sbin/rsyslogd", X_OK) == 0 { return ("/usr/sbin/rsyslogd", "") }
    let root = Repository.root + "/.build/rsyslog"
    guard access(root + "/usr/sbin/rsyslogd", X_OK) == 0 else { return nil }
    return (root + "/usr/sbin/rsyslogd", root + "/usr/lib/x86_64-linux-gnu")
  }()
  static var mayRun: Bool { Requirement.mustRun || rsyslog != nil }

  /// An rsyslogd of the test's own, that writes what it has understood of each message, a line each.
  private static func start(_ folder: TestFolder, port: Int) throws -> Program {
    let (program, libraries) = try #require(rsyslog)
    let modules = libraries.isEmpty ? "" : "\(libraries)/rsyslog"
    let text = """
      module(load="imtcp") module(load="imptcp") module(load="imudp") module(load="imuxsock" SysSock.Use="off")
      module(load="mmpstrucdata")
      template(name="parts" type="string" string="%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%$!rfc5424-sd%|%msg%\\n")
      ruleset(name="r") { action(type="mmpstrucdata") action(type="omfile" file="\(folder.path)/out" template="parts") }
      input(type="imtcp" address="127.0.0.1" port="\(port)" ruleset="r")
      input(type="imptcp" address="127.0.0.1" port="\(port + 1)" ruleset="r")
      input(type="imudp" address="127.0.0.1" port="\(port)" ruleset="r")
      input(type="imuxsock" Socket="\(folder.path)/log" ruleset="r" RateLimit.Interval="0" UseSysTimeStamp="off" UseSpecialParser="off" IgnoreTimestamp="off" ParseHostname="on")
      global(workDirectory="\(folder.path)" maxMessageSize="64k")

      """
    folder.write(Array(text.utf8), "rsyslog.conf")
    let daemon = Program(
      program,
      ["-n", "-f", folder.path + "/rsyslog.conf", "-i", folder.path + "/pid"]
        + (modules.isEmpty ? [] : ["-M", modules]),
      environment: libraries.isEmpty ? [:] : ["LD_LIBRARY_PATH": libraries])
    try #require(Delivered.until { access(folder.path + "/log", F_OK) == 0 && access(folder.path + "/pid", F_OK) == 0 })
    return daemon
  }

  private static let transports: [(name: String, offset: Int)] = [
    ("imtcp", 0), ("imptcp", 1), ("imudp", 0), ("imuxsock", 0),
  ]

  private static func settings(
    _ name: String, _ body: SyslogSettings.Body, _ port: Int, _ folder: TestFolder
  ) -> DestinationSettings {
    let transport: SyslogSettings.Transport =
      switch name {
      case "imudp": .udp(host: "127.0.0.1", port: port)
      case "imuxsock": .unixDatagram(folder.path + "/log")
      case "imptcp": .tcp(host: "127.0.0.1", port: port + 1)
      default: .tcp(host: "127.0.0.1", port: port)
      }
    return DestinationSettings(
      name: name, kind: .syslog(SyslogSettings(transport: transport, facility: 16, body: body)))
  }

  @Test(
    "rsyslog reads priority, time, host, type and fields, and the text; a restart of it loses no line",
    .enabled(if: SyslogTests.mayRun, "needs rsyslogd (.ci/packages test)"),
    arguments: ["imtcp", "imptcp", "imudp", "imuxsock"])
  func rsyslog(input: String) throws {
    let folder = TestFolder()
    let port = Delivered.freePort()
    var daemon = try SyslogTests.start(folder, port: port)
    let loop = try Delivered.loop(folder.path + "/spool", [SyslogTests.settings(input, .text, port, folder)])
    Delivered.put(loop, 1...100)
    #expect(Delivered.all(100, loop))
    daemon.signal(SIGTERM)
    #expect(daemon.wait(seconds: 20).status == 0)
    unlink(folder.path + "/pid")
    Delivered.put(loop, 101...150)
    #expect(Delivered.until { (loop.status().destinations.first?.failures ?? 0) > 0 })
    daemon = try SyslogTests.start(folder, port: port)
    Delivered.put(loop, 151...200)
    #expect(Delivered.all(200, loop))
    loop.finish(milliseconds: 10_000)
    daemon.signal(SIGTERM)
    _ = daemon.wait(seconds: 20)
    let lines = (Files.text(folder.path + "/out") ?? "").split(separator: "\n")
    var numbers: [Int] = []
    for line in lines {
      let parts = line.split(separator: "|", maxSplits: 7, omittingEmptySubsequences: false).map(String.init)
      try #require(parts.count == 8, "\(line)")
      // local0 and an error.
      #expect(parts[0] == "131" && parts[1] == "2026-11-24T22:44:13.329815Z", "\(line)")
      #expect(parts[2] == "vm-1" && parts[3] == "oomwitness" && parts[4] == "\(getpid())" && parts[5] == "oom_kill")
      let data = Line.all(in: parts[6]).first?.object["oomwitness@32473"] as? [String: String]
      let number = Int(data?["seq"] ?? "") ?? 0
      numbers.append(number)
      #expect(
        data?["pid"] == "\(1000 + number)" && data?["comm"] == #"py "]\ é"# && data?["unit"] == "oomw-demo.service")
      #expect(data?["pod"] == "cart-0" && data?["namespace"] == "shop" && data?["container"] == "web")
      #expect(parts[7] == #"The kernel killed number \#(number) "now"."#, "\(line)")
    }
    #expect(Delivered.firsts(numbers) == Array(1...200))
  }

  @Test("the whole line as the text comes through as it is", .enabled(if: SyslogTests.mayRun, "needs rsyslogd"))
  func json() throws {
    let folder = TestFolder()
    let port = Delivered.freePort()
    let daemon = try SyslogTests.start(folder, port: port)
    let loop = try Delivered.loop(nil, [SyslogTests.settings("imtcp", .json, port, folder)])
    Delivered.put(loop, 1...20)
    #expect(Delivered.until { (Files.text(folder.path + "/out") ?? "").split(separator: "\n").count == 20 })
    loop.finish(milliseconds: 10_000)
    daemon.signal(SIGTERM)
    _ = daemon.wait(seconds: 20)
    for (place, line) in (Files.text(folder.path + "/out") ?? "").split(separator: "\n").enumerated() {
      let text = line.split(separator: "|", maxSplits: 7, omittingEmptySubsequences: false).last
      #expect(text.map { Array($0.utf8) + [0x0a] } == Delivered.kill(place + 1))
    }
  }

  @Test(
    "a message is what RFC 5424 says, whatever the line holds",
    arguments: [
      (
        #"{"type":"oom_kill","time":"2026-11-24T22:44:13.329815451Z","host":"h","victim":{"pid":1,"comm":"a\"b]c\\d\n"}}"#,
        #"<27>1 2026-11-24T22:44:13.329815Z h oomwitness PID oom_kill [oomwitness@32473 pid="1" comm="a\"b\]c\\d "] oomwitness tells of oom_kill."#
      ),
      ("", "<30>1 - - oomwitness PID - [oomwitness@32473] oomwitness tells of something."),
      (
        #"{"host":"a b\u0007é","type":"x y"}"#,
        "<30>1 - ab oomwitness PID xy [oomwitness@32473] oomwitness tells of x y."
      ),
    ])
  func message(line: String, expected: String) {
    let message = SyslogMessage(settings: SyslogSettings(transport: .unixDatagram("/dev/log")))
    let bytes = message.bytes(DeliveredLine(number: 1, bytes: Array(line.utf8)))
    #expect(String(decoding: bytes, as: UTF8.self) == expected.replacing("PID", with: "\(getpid())"))
    #expect(message.counted(DeliveredLine(number: 1, bytes: Array(line.utf8))) == Array("\(bytes.count) ".utf8) + bytes)
  }
}
