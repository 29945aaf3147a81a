// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import Policy

/// Names that people are to paste into a shell: what a real one makes of them.
@Suite struct ShellTextTests {
  static let names = [
    "db.service", "machine-a\\x2db.scope", "a b", "it's", "''", "$(touch /tmp/x)", "`id`", "a;b", "a|b&c", "-rf", "--",
    "*",
    "~root", "a\\", "é\u{4e2d}", "\"", "#x", "{a,b}", "!x", "a=b", "%s",
  ]

  @Test("a shell takes it as one word, byte for byte", arguments: names)
  func quoted(name: String) throws {
    let word = try #require(ShellText.quoted(KernelName(name)))
    for shell in ["/bin/sh", "/bin/bash"] {
      let ended = Program.run(shell, ["-c", "set -- \(word); printf '%s:%s' \"$#\" \"$1\""])
      // A lone -- is the end of set's options, as it would be of any program's.
      if name != "--", name != "-rf" { #expect(ended.output == "1:\(name)", "\(shell)") }
      #expect(Program.run(shell, ["-c", "printf '%s' x\(word)"]).output == "x\(name)", "\(shell)")
    }
  }

  @Test(
    "what nobody should paste is not there",
    arguments: [
      Array("a\nb".utf8), [0x61, 0x1b, 0x5b], [0x61, 0xff], [], Array("a\u{202e}b".utf8), Array("a\u{200b}".utf8),
      [0x7f],
    ] as [[UInt8]])
  func refused(bytes: [UInt8]) {
    #expect(ShellText.quoted(KernelName(bytes: bytes)) == nil)
  }

  @Test("a plain name is no option and no pattern")
  func plain() {
    for name in ["mysqld", "kworker_1", "a-b"] { #expect(ShellText.plain(KernelName(name)) == name) }
    for name in ["", "-a", "a.b", "a*", "a b", "bad,pid=1", "a/b", "é"] {
      #expect(ShellText.plain(KernelName(name)) == nil)
    }
  }

  @Test("a hostile cgroup is quoted in what is typed, and one with control characters is not typed at all")
  func hostile() {
    func inputs(_ path: String) -> [String?] {
      let statistics = KillStatistics.of(3) { ($1.path, $1.limit, $1.comm) = (path, 1000, "x; reboot") }
      return Recommendations(of: statistics, pageSizeBytes: 4096).list.flatMap { $0.steps.map(\.input) }
    }
    #expect(
      inputs("/x; rm -rf $HOME'") == [
        #"echo 6291456 > '/sys/fs/cgroup/x; rm -rf $HOME'\''/memory.max'"#,
        #"cat '/sys/fs/cgroup/x; rm -rf $HOME'\''/memory.peak'"#,
      ])
    #expect(inputs("/x\nreboot") == [nil, nil])
    let leak = KillStatistics.of(3) { ($1.comm, $1.pages, $1.path) = ("x; reboot", Pages(1000 + 1000 * $0), nil) }
    #expect(Recommendations(of: leak, pageSizeBytes: 4096).list.flatMap { $0.steps.map(\.input) } == [nil])
  }
}
