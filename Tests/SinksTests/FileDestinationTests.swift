// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// Lines in files that begin anew.
@Suite struct FileDestinationTests {
  private static func lines(_ numbers: ClosedRange<Int>, bytes: Int = 80) -> [DeliveredLine] {
    numbers.map { DeliveredLine(number: UInt64($0), bytes: Bench.line($0, bytes: bytes)) }
  }

  private static func numbers(_ text: String?) -> [Int] {
    Line.all(in: text ?? "").compactMap { $0.number("seq") }
  }

  /// Hands lines over as a loop does.
  private static func give(_ file: FileDestination, _ lines: [DeliveredLine], _ now: Int64 = 0) -> Int {
    file.step(nowNanoseconds: now)
    guard file.hasRoom else { return 0 }
    return file.take(lines[...], nowNanoseconds: now)
  }

  @Test("a line that would make a file too large begins the next; so many are kept, and no line is lost between them")
  func size() {
    let folder = TestFolder()
    let file = FileDestination(FileDestinationSettings(path: folder.path + "/log", bytesMax: 4096, keep: 3))
    for first in stride(from: 1, to: 301, by: 10) {
      #expect(FileDestinationTests.give(file, FileDestinationTests.lines(first...first + 9)) == 10)
    }
    #expect(file.delivered == 300)
    #expect(Files.names(in: folder.path) == ["log", "log.1", "log.2", "log.3"])
    let all = ["log.3", "log.2", "log.1", "log"].flatMap {
      FileDestinationTests.numbers(Files.text(folder.path + "/" + $0))
    }
    #expect(all == Array(all[0]...300))
    for name in ["log.3", "log.2", "log.1"] { #expect((3900...4096).contains(folder.bytes(name).count), "\(name)") }
  }

  @Test("by age it begins anew, and a restart knows the age by the first line that is there")
  func age() {
    let folder = TestFolder()
    let settings = FileDestinationSettings(path: folder.path + "/log", secondsMax: 3600, keep: 2)
    func line(_ number: UInt64, _ time: String) -> DeliveredLine {
      DeliveredLine(number: number, bytes: Array(#"{"time":"\#(time)","seq":\#(number)}"#.utf8) + [0x0a])
    }
    let first = line(1, "2026-11-24T10:00:00.000000000Z")
    let begin = Int64(1_795_514_400)
    do {
      let file = FileDestination(settings) { begin }
      #expect(FileDestinationTests.give(file, [first]) == 1)
    }
    do {
      let file = FileDestination(settings) { begin + 3599 }
      #expect(FileDestinationTests.give(file, [line(2, "2026-11-24T10:59:59.000000000Z")]) == 1)
      #expect(Files.names(in: folder.path) == ["log"])
    }
    let file = FileDestination(settings) { begin + 3600 }
    #expect(FileDestinationTests.give(file, [line(3, "2026-11-24T11:00:00.000000000Z")]) == 1)
    #expect(FileDestinationTests.numbers(Files.text(folder.path + "/log.1")) == [1, 2])
    #expect(FileDestinationTests.numbers(Files.text(folder.path + "/log")) == [3])
  }

  @Test("logrotate's ways: moved away, moved away with a signal later, copied and cut off")
  func logrotate() {
    let folder = TestFolder()
    let file = FileDestination(FileDestinationSettings(path: folder.path + "/log"))
    #expect(FileDestinationTests.give(file, FileDestinationTests.lines(1...2)) == 2)
    #expect(rename(folder.path + "/log", folder.path + "/old") == 0)
    #expect(FileDestinationTests.give(file, FileDestinationTests.lines(3...3)) == 1)
    file.reopen()
    #expect(FileDestinationTests.give(file, FileDestinationTests.lines(4...4)) == 1)
    #expect(FileDestinationTests.numbers(Files.text(folder.path + "/old")) == [1, 2])
    #expect(FileDestinationTests.numbers(Files.text(folder.path + "/log")) == [3, 4])
    #expect(truncate(folder.path + "/log", 0) == 0)
    #expect(FileDestinationTests.give(file, FileDestinationTests.lines(5...5)) == 1)
    #expect(FileDestinationTests.numbers(Files.text(folder.path + "/log")) == [5])
  }

  @Test("a line that a crash has torn is cut off; a full disk tears none, and is tried again")
  func torn() {
    let folder = TestFolder()
    let next = FileDestinationTests.lines(2...2)
    let nextText = String(decoding: next[0].bytes, as: UTF8.self)
    for (text, expected) in [
      ("{}\n" + #"{"schema":"oomwitness.v1","ty"#, "{}\n"), ("{}\n" + #"{"sche"#, "{}\n"), (#"{"sche"#, ""),
      ("{}\nanother's", "{}\nanother's\n"), ("another's", "another's\n"), ("", ""), ("\n", "\n"),
    ] {
      folder.write(Array(text.utf8), "log")
      let file = FileDestination(FileDestinationSettings(path: folder.path + "/log"))
      #expect(FileDestinationTests.give(file, next) == 1)
      #expect(Files.text(folder.path + "/log") == expected + nextText, "\(text)")
    }

    mkdir(folder.path + "/full", 0o700)
    guard mount("tmpfs", folder.path + "/full", "tmpfs", 0, "size=16k") == 0 else {
      #expect(!Requirement.mustRun, "a tmpfs can be mounted")
      return
    }
    defer { umount2(folder.path + "/full", Int32(MNT_DETACH)) }
    let full = FileDestination(FileDestinationSettings(path: folder.path + "/full/log"))
    #expect(FileDestinationTests.give(full, FileDestinationTests.lines(1...10)) == 10)
    #expect(FileDestinationTests.give(full, FileDestinationTests.lines(11...400)) == 0)
    guard case .down(_, .system("write", ENOSPC)) = full.state else {
      Issue.record("\(full.state)")
      return
    }
    #expect(FileDestinationTests.numbers(Files.text(folder.path + "/full/log")) == Array(1...10))
    #expect(full.dueNanoseconds! > 0 && full.delivered == 10 && full.taken == 10)
    #expect(
      rename(folder.path + "/full/log", folder.path + "/full/old") == 0 && truncate(folder.path + "/full/old", 0) == 0)
    #expect(FileDestinationTests.give(full, FileDestinationTests.lines(11...20), full.dueNanoseconds!) == 10)
    #expect(FileDestinationTests.numbers(Files.text(folder.path + "/full/log")) == Array(11...20))
  }

  @Test("what is no file that can be written is down, with its errno")
  func refused() {
    let folder = TestFolder()
    #expect(mkfifo(folder.path + "/fifo", 0o600) == 0)
    for (path, number) in [(folder.path, EISDIR), ("/nonexistent/x", ENOENT), ("/dev/full", ENOSPC)] {
      let file = FileDestination(FileDestinationSettings(path: path))
      #expect(FileDestinationTests.give(file, FileDestinationTests.lines(1...1)) == 0)
      guard case .down(_, .system(_, let told)) = file.state else {
        Issue.record("\(path): \(file.state)")
        continue
      }
      #expect(told == number, "\(path)")
    }
  }
}
