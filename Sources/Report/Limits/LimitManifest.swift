// SPDX-License-Identifier: Apache-2.0
import Events

/// A file that sets limits as advised, and what to type so that it takes effect.
///
/// Made of all advice at once, since one file may hold that of several; pure text, nothing is written here.
package struct LimitManifest: Sendable {
  /// What is not in any file, and why.
  package struct Left: Hashable, Sendable {
    package var name: String
    package var reason: String
  }

  /// Files, with what is in none of them.
  package struct Set: Sendable {
    package var files: [LimitManifest] = []
    package var left: [Left] = []
    /// Those that will do as they are.
    package var unchanged = 0
  }

  /// Below a folder that holds several; letters, digits and `._-/` alone.
  package var fileName: String
  /// Ends in a newline.
  package var text: String
  /// By the path of the file, quoted for a shell: lines to type.
  package var apply: @Sendable (String) -> [String]

  init(fileName: String, text: String, apply: @escaping @Sendable (String) -> [String]) {
    (self.fileName, self.text, self.apply) = (fileName, text, apply)
  }

  /// Whether a file has anything to change; a leak's limit is only set where it has none.
  static func changes(_ advised: AdvisedLimit) -> Bool {
    guard advised.limitBytes != nil else { return false }
    switch advised.verdict {
    case .raise, .lower, .set: return true
    case .leak: return advised.evidence.limitBytes?.bytes != advised.limitBytes
    case .keep, .unknown: return false
    }
  }

  /// A name as a part of a path, whatever is in it.
  static func fileName(_ name: String) -> String {
    let bytes = name.utf8.prefix(100).map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        byte
      default: UInt8(ascii: "_")
      }
    }
    let text = String(decoding: bytes, as: UTF8.self)
    return text.first.map { $0 == "." || $0 == "-" } ?? true ? "_" + text : text
  }

  /// Names that came out the same get a number.
  static func distinct(_ files: [LimitManifest]) -> [LimitManifest] {
    var seen: [String: Int] = [:]
    return files.map { file in
      var file = file
      let count = seen[file.fileName, default: 0] + 1
      seen[file.fileName] = count
      if count > 1 { file.fileName = "\(count)-" + file.fileName }
      return file
    }
  }

  /// The verdict and its reasons, as comments: one line each.
  static func comments(_ advised: AdvisedLimit, indent: String) -> [String] {
    let now = advised.evidence.limitBytes.map { $0.bytes.map(SizeText.people) ?? "none" } ?? "not known"
    let then = advised.limitBytes.map(SizeText.people) ?? "none"
    let head =
      "\(advised.evidence.subject.name): \(advised.verdict.rawValue), limit \(now) to \(then)."
    let confidence = "Confidence \(advised.confidence.rawValue): \(advised.confidenceReason)."
    return ([head] + advised.reasons + [confidence]).map { "\(indent)# \(YAMLText.comment($0))" }
  }
}

/// Sizes as programs and people write them: whole units where they come out even.
enum SizeText {
  static func people(_ bytes: Int64) -> String { Explanation(pageSizeBytes: 1).size(bytes: bytes) }

  /// `768Mi`. Source: Kubernetes, "Resource units in Kubernetes".
  static func kubernetes(_ bytes: Int64) -> String { whole(bytes, ["", "Ki", "Mi", "Gi"]) }

  /// `768m`. Source: the Compose specification, "Specifying byte values".
  static func compose(_ bytes: Int64) -> String { whole(bytes, ["b", "k", "m", "g"]) }

  /// `768M`. Source: systemd.resource-control(5), MemoryMax=.
  static func systemd(_ bytes: Int64) -> String { whole(bytes, ["", "K", "M", "G"]) }

  private static func whole(_ bytes: Int64, _ units: [String]) -> String {
    var (number, unit) = (bytes, 0)
    while unit + 1 < units.count, number > 0, number % 1024 == 0 { (number, unit) = (number / 1024, unit + 1) }
    return "\(number)\(units[unit])"
  }
}
