// SPDX-License-Identifier: Apache-2.0
import Configuration
import History

/// The section `history` of the configuration: on where nothing is said.
struct HistorySection {
  private static let ageRange: ClosedRange<Int64> = 3600...315_360_000

  private let reader: YAMLReader

  init(file: String) { reader = YAMLReader(file: file) }

  /// Nil where it is off.
  ///
  /// - Parameter folder: where the file lies if nothing else is said.
  func settings(_ node: YAMLNode?, folder: String) throws(ConfigurationError) -> HistorySettings? {
    var settings = HistorySettings(path: folder + "/history.db")
    guard let node else { return settings }
    if case .scalar(let text, isQuoted: false) = node.value {
      if text == "false" { return nil }
      if text == "true" || node.value.kind == .nothing { return settings }
    }
    for (key, value) in try reader.pairs(node, of: "history", known: ["path", "max_age", "max_size"]) {
      switch key {
      case "path": settings.path = try reader.path(value, of: key)
      case "max_age":
        settings.secondsMax = try reader.number(value, of: key, in: HistorySection.ageRange, units: YAMLReader.seconds)
      default:
        settings.bytesMax = try reader.number(
          value, of: key, in: HistorySettings.bytesMin...1 << 40, units: YAMLReader.bytes)
      }
    }
    return settings
  }
}
