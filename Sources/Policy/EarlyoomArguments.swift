// SPDX-License-Identifier: Apache-2.0

/// What a command line of earlyoom asks of a guard, and what of it has no equal here.
///
/// Source: earlyoom(1) of 1.7 and of 1.8, whose new options (--ignore, --sort-by-rss, --ignore-root-user, --syslog) are known
/// too.
package struct EarlyoomArguments: Hashable, Sendable {
  package enum Failure: Error, Hashable, Sendable {
    case unknown(option: String)
    case missingValue(option: String)
    case stray(word: String)
  }

  /// Something that is taken otherwise than it was written, or not at all.
  package enum Remark: Hashable, Sendable {
    /// earlyoom itself would refuse it, and means another; it is taken as that.
    case misspelt(option: String, instead: String)
    /// Reports between actions: `guard status` tells when it is asked.
    case reports(option: String)
    /// Another program tells people: the stream's readers do it here.
    case notifies(option: String)
    /// It is always so here.
    case always(option: String)
    /// It does nothing in earlyoom either.
    case ignored(option: String)
    /// There is no such thing here.
    case noEqual(option: String)
  }

  package var memory: String?
  package var memoryKibibytes: String?
  package var swap: String?
  package var swapKibibytes: String?
  package var prefer: [String] = []
  package var avoid: [String] = []
  package var ignore: [String] = []
  package var sortsByRSS = false
  package var takesProcessGroup = false
  package var isDryRun = false
  package var remarks: [Remark] = []

  package init() {}

  /// Reads words as getopt_long(3) does: `-m5`, `-m 5`, `-gp`, `--prefer=x`, `--prefer x`.
  package init(_ words: [String]) throws(Failure) {
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" { break }
      if word.hasPrefix("--") {
        try takeLong(word, &rest)
      } else if word.hasPrefix("-"), word.count > 1 {
        try takeShort(word, &rest)
      } else {
        throw .stray(word: word)
      }
    }
    if let word = rest.first { throw .stray(word: word) }
  }

  private mutating func takeShort(_ word: String, _ rest: inout ArraySlice<String>) throws(Failure) {
    var letters = word.dropFirst()[...]
    while let letter = letters.popFirst() {
      let option = "-\(letter)"
      if "mMsSrN".contains(letter) {
        let value: String
        if letters.isEmpty {
          guard let next = rest.popFirst() else { throw .missingValue(option: option) }
          value = next
        } else {
          value = String(letters)
        }
        take(option, value)
        return
      }
      try takeFlag(option)
    }
  }

  private mutating func takeLong(_ word: String, _ rest: inout ArraySlice<String>) throws(Failure) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    var option = String(parts[0])
    if let instead = EarlyoomArguments.misspelt[option] {
      remarks.append(.misspelt(option: option, instead: instead))
      option = instead
    }
    guard EarlyoomArguments.withValue.contains(option) else { return try takeFlag(option) }
    guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
      throw .missingValue(option: String(parts[0]))
    }
    take(option, value)
  }

  /// Written by people who guessed, among them the guide's file, and what they meant.
  private static let misspelt = [
    "--memory": "-m", "--mem": "-m", "--swap": "-s", "--kill-process-group": "-g", "--memory-report-interval": "-r",
    "--report-interval": "-r", "--dry-run": "--dryrun",
  ]
  private static let withValue: Set<String> = ["-m", "-s", "-r", "--prefer", "--avoid", "--ignore"]

  private mutating func take(_ option: String, _ value: String) {
    switch option {
    case "-m": memory = value
    case "-M": memoryKibibytes = value
    case "-s": swap = value
    case "-S": swapKibibytes = value
    case "-r": remarks.append(.reports(option: option))
    case "-N": remarks.append(.notifies(option: option))
    case "--prefer": prefer = [value]
    case "--avoid": avoid = [value]
    default: ignore = [value]
    }
  }

  private mutating func takeFlag(_ option: String) throws(Failure) {
    switch option {
    case "-g": takesProcessGroup = true
    case "-p": remarks.append(.always(option: option))
    case "-n": remarks.append(.notifies(option: option))
    case "-d", "-v", "-h", "--help": remarks.append(.noEqual(option: option))
    case "-k", "-i": remarks.append(.ignored(option: option))
    case "--dryrun": isDryRun = true
    case "--sort-by-rss": sortsByRSS = true
    case "--ignore-root-user", "--syslog": remarks.append(.noEqual(option: option))
    default: throw .unknown(option: option)
    }
  }
}
