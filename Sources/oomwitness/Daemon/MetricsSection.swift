// SPDX-License-Identifier: Apache-2.0
import Configuration
import Metrics

/// Where metrics are offered, as the section `metrics` of the configuration says.
struct MetricsSettings: Hashable {
  /// A file for node_exporter's textfile collector.
  struct TextFile: Hashable {
    var path: String
    var everySeconds: Int64 = 15
  }

  var listen: MetricAddress?
  var textFile: TextFile?
  var seriesMax = MetricBook.seriesMaxDefault
  /// The kernel is to measure BPF programs.
  var measuresPrograms = false

  /// The same needs no new book.
  func needsRestart(since before: MetricsSettings?) -> Bool {
    before.map { $0.seriesMax != seriesMax || $0.measuresPrograms != measuresPrograms } ?? measuresPrograms
  }
}

/// The section `metrics`: `true` is the standard address.
struct MetricsSection {
  private static let keys = ["listen", "allow_remote", "textfile", "every", "series", "bpf_stats"]
  private static let everyRange: ClosedRange<Int64> = 1...3600

  private let reader: YAMLReader

  init(file: String) { reader = YAMLReader(file: file) }

  /// Nil where nothing is asked for.
  func settings(_ node: YAMLNode?) throws(ConfigurationError) -> MetricsSettings? {
    guard let node else { return nil }
    var settings = MetricsSettings()
    if case .scalar(let text, isQuoted: false) = node.value {
      if text == "false" { return nil }
      if text == "true" || node.value.kind == .nothing {
        settings.listen = .standard
        return settings
      }
    }
    var fields: [String: YAMLNode] = [:]
    for (key, value) in try reader.pairs(node, of: "metrics", known: MetricsSection.keys) { fields[key] = value }
    let allowsRemote = try fields["allow_remote"].map { node throws(ConfigurationError) in
      try reader.flag(node, of: "allow_remote")
    }
    settings.listen = try fields["listen"].map { node throws(ConfigurationError) in
      try address(node, allowsRemote: allowsRemote ?? false)
    }
    settings.textFile = try textFile(fields)
    if let node = fields["series"] {
      settings.seriesMax = Int(try reader.number(node, of: "series", in: MetricBook.seriesRange))
    }
    if let node = fields["bpf_stats"] { settings.measuresPrograms = try reader.flag(node, of: "bpf_stats") }
    if settings.listen == nil, settings.textFile == nil { settings.listen = .standard }
    return settings
  }

  private func address(_ node: YAMLNode, allowsRemote: Bool) throws(ConfigurationError) -> MetricAddress {
    let text = try reader.text(node, of: "listen")
    guard let address = MetricAddress(text) else {
      let forms = "127.0.0.1:9755, [::1]:9755 or unix:/PATH"
      throw reader.error(.refused("listen is an address and a port as \(forms), not \(text)"), node.place)
    }
    guard address.isLocal || allowsRemote else {
      throw reader.error(
        .refused("\(text) can be reached from other hosts, and nothing asks them who they are: add allow_remote: true"),
        node.place)
    }
    return address
  }

  private func textFile(_ fields: [String: YAMLNode]) throws(ConfigurationError) -> MetricsSettings.TextFile? {
    guard let node = fields["textfile"] else {
      guard let every = fields["every"] else { return nil }
      throw reader.error(.refused("every is of a textfile, and there is none"), every.place)
    }
    var file = MetricsSettings.TextFile(path: try reader.path(node, of: "textfile"))
    guard file.path.hasSuffix(".prom") else {
      throw reader.error(.refused("textfile is to end in .prom: node_exporter reads no other"), node.place)
    }
    if let node = fields["every"] {
      file.everySeconds = try reader.number(node, of: "every", in: MetricsSection.everyRange, units: YAMLReader.seconds)
    }
    return file
  }
}
