// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Policy
import Testing

/// The guard's own regular expressions, held against those of the C library.
@Suite struct GuardPatternTests {
  private static func isFound(_ pattern: GuardPattern, _ text: [UInt8]) -> Bool {
    text.withUnsafeBytes { pattern.isFound(in: $0) }
  }

  /// What regcomp(3) and regexec(3) say; nil where it is no pattern to them.
  private static func libraryFinds(_ pattern: String, _ text: String) -> Bool? {
    var compiled = regex_t()
    guard regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) == 0 else { return nil }
    defer { regfree(&compiled) }
    return regexec(&compiled, text, 0, nil, 0) == 0
  }

  static let patterns = [
    "a", "^a", "a$", "^$", "^a$", ".", "a.b", "a*", "a+b", "ab?c", "(ab)+", "(a|b)*c", "a|b|c", "(^|/)(init|X|sshd)$",
    "(^|/)Web Content|chromium|firefox", "[abc]", "[^abc]", "[a-c]+", "[]a]", "[^]a]", "[a-]", "[-a]", "[a-c-e]",
    "[[:alpha:]]+", "[[:digit:][:space:]]", "[^[:alnum:]]", "[[:upper:]][[:lower:]]", "[[:punct:]]", "[[:xdigit:]]+$",
    "[[.a.]]", "[[=a=]]", "a{2}", "a{2,}", "a{,2}b", "a{1,2}$", "(ab){2}c", "a{0}b", "\\.", "\\$", "\\*", "a\\|b",
    "\\w+", "\\W", "\\s", "\\S$", "()", "(|a)b", "a||b", "((a))", "(a*)*", "(a*)+b", "(a|ab)(c|bcd)", "x)", "a)b",
    "^(a|^b)", "a**", "a+?", "^*", "*a", "+", "?", "a|*b", "(*a)", "{", "a{", "a{x}", "a{2", "a{3,2}", "(a", "[a",
    "[", "[^", "[[:alpha:]", "[[:foo:]]", "[z-a]", "\\", "a\\", "(a{1,3}){2}b", "[a\\]", "a^b", "a$b", "(^a)*b",
  ]
  static let texts = [
    "", "a", "b", "c", "ab", "abc", "aab", "aaab", "abab", "ababc", "bca", "a.b", "a*b", "$", "*", "/sshd", "sshd",
    "xsshd", "sshdx", "init", "/usr/bin/X", "Web Content", "firefox-bin", "A1 _", "Zz", " ", "]", "-", "x)", "a)b",
    "a|b",
    "^", "abcd", "a^b", "a$b", "\\", "aa", "aaa", "aaaa", "0f", "\t", "[a", "a{", "=", ".", ",x{",
  ]

  @Test("it finds what the C library finds, and refuses what that refuses", arguments: patterns)
  func asTheLibrary(text: String) {
    guard GuardPatternTests.libraryFinds(text, "") != nil else {
      #expect(throws: GuardPattern.Failure.self, "\(text)") { try GuardPattern(text) }
      return
    }
    guard let pattern = try? GuardPattern(text) else {
      Issue.record("\(text) is a pattern")
      return
    }
    for subject in GuardPatternTests.texts {
      #expect(
        GuardPatternTests.isFound(pattern, Array(subject.utf8)) == GuardPatternTests.libraryFinds(text, subject),
        "\(text) in \(subject)")
    }
  }

  @Test("made-up patterns find what the C library finds")
  func madeUp() {
    var random = SystemRandomNumberGenerator()
    let pieces = [
      "a", "b", "c", ".", "[ab]", "[^a]", "(", ")", "|", "*", "+", "?", "{1,2}", "{2}", "^", "$", "\\.", "ab",
    ]
    var compared = 0
    for _ in 0..<8000 {
      let text = (0..<Int.random(in: 1...8, using: &random)).map { _ in pieces.randomElement(using: &random)! }.joined()
      let subject = String(
        (0..<Int.random(in: 0...6, using: &random)).map { _ in "abc.".randomElement(using: &random)! })
      let pattern = try? GuardPattern(text)
      let expected = GuardPatternTests.libraryFinds(text, subject)
      // In each of these glibc departs from its own rules; what it refuses is of no use to anybody.
      guard let pattern, let expected else { continue }
      compared += 1
      #expect(GuardPatternTests.isFound(pattern, Array(subject.utf8)) == expected, "\(text) in \(subject)")
    }
    #expect(compared > 2000)
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let reason: GuardPattern.Failure.Reason
    let position: Int

    init(_ text: String, _ reason: GuardPattern.Failure.Reason, _ position: Int) {
      (testDescription, self.reason, self.position) = (text, reason, position)
    }
  }

  static let bad: [Bad] = [
    Bad("", .empty, 1), Bad("ab(c", .openGroup, 3), Bad("a[b-", .openBracket, 2), Bad("a[z-a]", .range, 3),
    Bad("[[:nope:]]", .characterClass, 2), Bad("ab*|*", .nothingToRepeat, 5), Bad("ab\\", .trailingBackslash, 3),
    Bad("(a)\\1", .backReference, 4), Bad("\\bfoo", .notTaken, 1), Bad("a{2", .openInterval, 2),
    Bad("a{3,2}", .interval, 2), Bad("a{1001}", .interval, 2),
    Bad(String(repeating: "a", count: 1025), .tooLong, 1025),
    Bad(String(repeating: "(", count: 65) + "a", .tooDeep, 65),
    Bad("(((a{100}){100}){100}){100}", .tooLarge, 1), Bad("a" + String(repeating: "*", count: 65), .tooDeep, 66),
  ]

  @Test("a bad pattern says what is wrong, and where", arguments: bad)
  func failures(bad: Bad) {
    #expect(throws: GuardPattern.Failure(reason: bad.reason, position: bad.position)) {
      try GuardPattern(bad.testDescription)
    }
  }

  @Test("names are bytes: NUL, broken UTF-8 and control characters are bytes as others")
  func anyBytes() throws {
    let pattern = try GuardPattern("^a.b$")
    for byte in [UInt8(0), 0xff, 0x0a, 0x1b] { #expect(GuardPatternTests.isFound(pattern, [0x61, byte, 0x62])) }
    #expect(!GuardPatternTests.isFound(pattern, [0x61, 0xc3, 0xa4, 0x62]))
  }

  @Test("what repeats nothing ends, however often", arguments: ["(((){1000}){1000}){1000}", "((a*)*)*b", "(a|a)*b"])
  func endsAlways(text: String) throws {
    let pattern = try GuardPattern(text)
    #expect(GuardPatternTests.isFound(pattern, Array(repeating: 0x61, count: 4096)) == !text.hasSuffix("b"))
  }

  @Test("a field may stand before a pattern, and the position counts it")
  func fields() throws {
    let rule = try GuardPreferences.Rule("unit=^db[.]service$")
    #expect(rule.field == .unit && rule.pattern.text == "^db[.]service$")
    #expect(try GuardPreferences.Rule("a=b").field == .comm)
    #expect(throws: GuardPattern.Failure(reason: .openGroup, position: 8)) { try GuardPreferences.Rule("cgroup=(a") }
  }

  @Test("ignore is never, prefer and avoid add up, a field that a process lacks matches nothing")
  func verdicts() throws {
    let rule = { try GuardPreferences.Rule($0) }
    let preferences = GuardPreferences(
      prefer: [try rule("^java"), try rule("exe=/opt/")], avoid: [try rule("sshd")], ignore: [try rule("^db$")])
    let exe = Array("/opt/x".utf8)
    for (comm, hasExe, expected) in [
      ("java", false, 450), ("javac", true, 450), ("sshd", false, -450), ("x", true, 450), ("x", false, 0),
      ("java-sshd", false, 0), ("db", true, nil),
    ] as [(String, Bool, Int64?)] {
      let name = Array(comm.utf8)
      let verdict = name.withUnsafeBytes { name in
        exe.withUnsafeBytes { exe in
          preferences.verdict { $0 == .comm ? name : $0 == .exe && hasExe ? exe : nil }
        }
      }
      #expect(verdict == expected.map { .may(bonusPermille: $0) } ?? .never, "\(comm)")
    }
  }
}
