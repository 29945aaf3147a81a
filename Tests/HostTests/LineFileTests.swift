// SPDX-License-Identifier: Apache-2.0
import Glibc
import Host
import TestSupport
import Testing

/// The file of a journal, whole and cut.
@Suite struct LineFileTests {
  private static func scratch(_ text: String?) -> String {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let path = "/tmp/oomwitness-lines-\(getpid())-\(time.tv_nsec)/journal"
    if let text {
      mkdir(String(path.dropLast(8)), 0o755)
      Files.write(text, to: path)
    }
    return path
  }

  private static func remove(_ path: String) {
    unlink(path)
    rmdir(String(path.dropLast(8)))
  }

  private static func lines(_ path: String) throws -> [String] {
    try LineFile(path: path).lines().map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("the folder is made, lines are kept, the last is taken back")
  func append() throws {
    let path = LineFileTests.scratch(nil)
    defer { LineFileTests.remove(path) }
    let file = try LineFile(path: path)
    #expect(try file.append(Array("one\n".utf8)) == 0)
    let begin = try file.append(Array("two\nthree\n".utf8))
    #expect(begin == 4)
    #expect(Files.text(path) == "one\ntwo\nthree\n")
    try file.takeBack(to: begin)
    #expect(Files.text(path) == "one\n")
    try file.replace(with: [Array("four\n".utf8)])
    #expect(try file.append(Array("five\n".utf8)) == 5)
    #expect(Files.text(path) == "four\nfive\n")
    #expect(Files.names(in: String(path.dropLast(8))) == ["journal"])
    try file.replace(with: [])
    #expect(Files.text(path) == "")
  }

  @Test(
    "a line without its end is no line, and the next takes its place",
    arguments: [
      ("", [], "new\n"), ("torn", [], "new\n"), ("one\n", ["one"], "one\nnew\n"), ("one\nto", ["one"], "one\nnew\n"),
      ("\n\none\n\nto", ["one"], "\n\none\n\nnew\n"),
    ] as [(String, [String], String)])
  func torn(text: String, lines: [String], after: String) throws {
    let path = LineFileTests.scratch(text)
    defer { LineFileTests.remove(path) }
    #expect(try LineFileTests.lines(path) == lines)
    _ = try LineFile(path: path).append(Array("new\n".utf8))
    #expect(Files.text(path) == after)
  }

  @Test("a link is not followed, and a folder is none")
  func links() {
    let path = LineFileTests.scratch("")
    defer { LineFileTests.remove(path) }
    unlink(path)
    symlink("/tmp/oomwitness-elsewhere", path)
    #expect(throws: HostError.self) { try LineFile(path: path) }
    #expect(access("/tmp/oomwitness-elsewhere", F_OK) != 0)
    #expect(throws: HostError.self) { try LineFile(path: "/tmp") }
  }

  @Test("who waits for it gets the file that has replaced it")
  func waiting() throws {
    let path = LineFileTests.scratch("old\n")
    defer { LineFileTests.remove(path) }
    let waiter: Program
    do {
      let file = try LineFile(path: path)
      waiter = Program("/usr/bin/flock", ["-w", "10", path, "-c", "true"])
      usleep(50_000)
      try file.replace(with: [Array("new\n".utf8)])
    }
    #expect(waiter.wait().status == 0)
    #expect(try LineFileTests.lines(path) == ["new"])
  }
}
