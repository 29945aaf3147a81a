// SPDX-License-Identifier: Apache-2.0
import Policy
import Testing

/// Command lines of earlyoom, and the files that hold them.
@Suite struct EarlyoomArgumentsTests {
  private static func read(_ line: String) throws -> EarlyoomArguments {
    try EarlyoomArguments(try ShellWords.words(line))
  }

  @Test("options of earlyoom are taken as getopt takes them")
  func options() throws {
    let read = try EarlyoomArgumentsTests.read(
      "-m 5,2 -s10 -M 1048576 -S 2,1 -g --prefer '(^|/)Web Content' --avoid=sshd --ignore x --sort-by-rss --dryrun")
    var expected = EarlyoomArguments()
    (expected.memory, expected.swap) = ("5,2", "10")
    (expected.memoryKibibytes, expected.swapKibibytes) = ("1048576", "2,1")
    (expected.prefer, expected.avoid, expected.ignore) = (["(^|/)Web Content"], ["sshd"], ["x"])
    (expected.takesProcessGroup, expected.sortsByRSS, expected.isDryRun) = (true, true, true)
    #expect(read == expected)
    #expect(try EarlyoomArgumentsTests.read("") == EarlyoomArguments())
  }

  @Test("what has no equal is remarked on, each once")
  func remarks() throws {
    let read = try EarlyoomArgumentsTests.read("-r 3600 -pn -N /x -d -k -i --ignore-root-user --syslog")
    #expect(
      read.remarks == [
        .reports(option: "-r"), .always(option: "-p"), .notifies(option: "-n"), .notifies(option: "-N"),
        .noEqual(option: "-d"), .ignored(option: "-k"), .ignored(option: "-i"), .noEqual(option: "--ignore-root-user"),
        .noEqual(option: "--syslog"),
      ])
  }

  @Test("the guide's file is understood, and its wrong flags are named with the right ones")
  func guide() throws {
    let file = """
      # earlyoom 설정
      EARLYOOM_ARGS="--memory 10 --swap 5 --kill-process-group --prefer '(^|/)Web Content|chromium|firefox' \
      --avoid '(^|/)init|systemd|kernel|ssh'"

      # 메모리 사용량이 90%를 넘으면 경고
      EARLYOOM_ARGS="$EARLYOOM_ARGS --memory-report-interval 60"
      """
    let line = try #require(try ShellWords.value(of: "EARLYOOM_ARGS", in: file))
    let read = try EarlyoomArgumentsTests.read(line)
    #expect(read.memory == "10" && read.swap == "5" && read.takesProcessGroup)
    #expect(read.prefer == ["(^|/)Web Content|chromium|firefox"] && read.avoid == ["(^|/)init|systemd|kernel|ssh"])
    #expect(
      read.remarks == [
        .misspelt(option: "--memory", instead: "-m"), .misspelt(option: "--swap", instead: "-s"),
        .misspelt(option: "--kill-process-group", instead: "-g"),
        .misspelt(option: "--memory-report-interval", instead: "-r"), .reports(option: "-r"),
      ])
  }

  @Test("what earlyoom does not know is refused by name")
  func failures() {
    for (line, failure) in [
      ("-x", EarlyoomArguments.Failure.unknown(option: "-x")), ("--nope", .unknown(option: "--nope")),
      ("-m", .missingValue(option: "-m")), ("--prefer", .missingValue(option: "--prefer")),
      ("-g word", .stray(word: "word")), ("-- -m", .stray(word: "-m")), ("-gx", .unknown(option: "-x")),
    ] {
      #expect(throws: failure, "\(line)") { try EarlyoomArgumentsTests.read(line) }
    }
  }

  @Test("files of assignments are read as a shell reads them")
  func files() throws {
    func value(_ file: String) throws -> String? { try ShellWords.value(of: "A", in: file) }
    #expect(try value("A=b") == "b" && value("") == nil && value("#A=b\n") == nil && value("B=c") == nil)
    #expect(try value("A=\"x 'y z$' \\\"q\\\"\"\n") == "x 'y z$' \"q\"")
    #expect(try value("A='a b'\nA=\"${A} $A $ $B\"") == "a b a b $ ")
    #expect(try value("export A=1 # not of it\nif true; then\n") == "1")
    #expect(try value("  A=a\\ b") == "a b")
    #expect(throws: ShellWords.Failure.openQuote(line: 2)) { try value("B=1\nA=\"x\n") }
    #expect(throws: ShellWords.Failure.openQuote(line: 1)) { try ShellWords.words("a 'b") }
    #expect(throws: ShellWords.Failure.tooLong) { try value(String(repeating: "#", count: 70_000)) }
    #expect(try ShellWords.words(" a  'b c'\"d\" \\'e ") == ["a", "b cd", "'e"])
  }

  @Test("a variable that doubles itself ends at a limit")
  func doubling() {
    let file = "A=xx\n" + String(repeating: "A=\"$A$A\"\n", count: 64)
    #expect(throws: ShellWords.Failure.tooLong) { try ShellWords.value(of: "A", in: file) }
  }
}
