// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Policy

/// Changes that are only supposed, each repeatable.
struct WhatIfOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Suppose this oom_score_adj for a pid, or for all whose comm matches.", valueName: "pattern=value"))
  var adj: [String] = []
  @Option(help: ArgumentHelp("Suppose that these hold so much more, as 'java*=2G'.", valueName: "pattern=bytes"))
  var grow: [String] = []
  @Option(
    help: ArgumentHelp("Suppose this memory limit of a control group, as /system.slice=512M.", valueName: "path=bytes"))
  var limit: [String] = []

  func validate() throws {
    _ = try changes(pageSizeBytes: 4096)
    _ = try limits()
  }

  /// All supposed changes of processes, in the order: adj, then growth.
  func changes(pageSizeBytes: Int) throws -> [WhatIf] {
    try adj.map { text in
      let (pattern, value) = try WhatIfOptions.parts(text, of: "--adj")
      guard let value = Int(value), (-1000...1000).contains(value) else {
        throw ValidationError("--adj takes -1000 to 1000, not '\(value)'")
      }
      return WhatIf(pattern: pattern, change: .adj(value))
    }
      + grow.map { text in
        let (pattern, value) = try WhatIfOptions.parts(text, of: "--grow")
        let bytes = try ByteCount.bytes(value, of: "--grow")
        return WhatIf(pattern: pattern, change: .grow((bytes + Int64(pageSizeBytes) - 1) / Int64(pageSizeBytes)))
      }
  }

  /// Paths with their supposed limits in bytes.
  func limits() throws -> [(path: String, bytes: Int64)] {
    try limit.map { text in
      let (path, value) = try WhatIfOptions.parts(text, of: "--limit")
      return (path, try ByteCount.bytes(value, of: "--limit"))
    }
  }

  private static func parts(_ text: String, of option: String) throws -> (String, String) {
    guard let equals = text.lastIndex(of: "="), equals > text.startIndex, text.index(after: equals) < text.endIndex
    else { throw ValidationError("\(option) takes NAME=VALUE, not '\(text)'") }
    return (String(text[..<equals]), String(text[text.index(after: equals)...]))
  }
}

/// Sizes as people write them.
enum ByteCount {
  /// `4096`, `512K`, `64M`, `2G`, `1T`: powers of 1024.
  static func bytes(_ text: String, of option: String) throws -> Int64 {
    let shifts: [Character: Int64] = ["K": 10, "M": 20, "G": 30, "T": 40]
    let shift = text.last.flatMap { shifts[Character($0.uppercased())] }
    guard let number = Int64(shift == nil ? text[...] : text.dropLast()), number >= 0, number <= 1 << 40 else {
      throw ValidationError("\(option) takes bytes, as 4096, 512K, 64M or 2G, not '\(text)'")
    }
    let (bytes, overflowed) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
    guard !overflowed, bytes <= 1 << 60 else {
      throw ValidationError("\(option): '\(text)' is more than any machine has")
    }
    return bytes
  }
}
