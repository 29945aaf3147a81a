// SPDX-License-Identifier: Apache-2.0
import Configuration
import Sinks

/// The section `sinks` of the configuration: a list of destinations, each with a type and what that needs.
struct SinkSection {
  private static let types = [
    "stdout", "file", "stream", "journald", "syslog", "http", "otlp", "loki", "webhook", "slack", "kubernetes",
  ]
  private static let httpKeys = [
    "url", "url_file", "headers", "headers_file", "bearer_token_file", "ca_file", "certificate_file", "key_file",
    "timeout", "batch_lines", "batch_size", "per_minute", "labels",
  ]

  private let reader: YAMLReader

  init(file: String) { reader = YAMLReader(file: file) }

  /// All of them; a name that is not given is the type.
  func destinations(_ node: YAMLNode?) throws(ConfigurationError) -> [DestinationSettings] {
    guard let node, node.value.kind != .nothing else { return [] }
    var all: [DestinationSettings] = []
    for item in try reader.items(node, of: "sinks") {
      let settings = try destination(item)
      if let problem = settings.problem() {
        throw reader.error(.refused("sink \(settings.name): \(Wording.sentence(problem))"), item.place)
      }
      if all.contains(where: { $0.name == settings.name }) {
        let problem = DestinationSettings.Problem.duplicateName(settings.name)
        throw reader.error(.refused(Wording.sentence(problem)), item.place)
      }
      all.append(settings)
    }
    return all
  }

  /// Fields of one sink by their names.
  private typealias Fields = [String: YAMLNode]

  private func destination(_ node: YAMLNode) throws(ConfigurationError) -> DestinationSettings {
    var fields: Fields = [:]
    for (key, value) in try reader.pairs(node, of: "a sink", known: nil) { fields[key] = value }
    guard let typeNode = fields["type"] else { throw reader.error(.missingKey("type"), node.place) }
    let type = try reader.text(typeNode, of: "type")
    let (kind, known) = try kind(type, fields, node, typeNode)
    _ = try reader.pairs(node, of: "a sink", known: ["name", "type", "filter"] + known)
    let name = try fields["name"].map { node throws(ConfigurationError) in try reader.text(node, of: "name") } ?? type
    return DestinationSettings(name: name, kind: kind, filter: try filter(fields["filter"]))
  }

  private func kind(
    _ type: String, _ fields: Fields, _ node: YAMLNode, _ typeNode: YAMLNode
  ) throws(ConfigurationError) -> (DestinationSettings.Kind, [String]) {
    switch type {
    case "stdout": return (.stdout, [])
    case "file": return (.file(try file(fields, node)), ["path", "max_size", "max_age", "keep"])
    case "stream":
      switch try address(fields, node, of: ["unix", "tcp"]) {
      case .unix(let path): return (.stream(.unix(path)), ["address"])
      case .network(_, let host, let port): return (.stream(.network(host: host, port: port)), ["address"])
      }
    case "journald":
      let path = try fields["socket"].map { node throws(ConfigurationError) in try reader.path(node, of: "socket") }
      return (.journald(path ?? JournalSink.standardPath), ["socket"])
    case "syslog": return (.syslog(try syslog(fields, node)), ["address", "facility", "body"])
    case "http": return (.http(try http(.ndjson, fields, node)), SinkSection.httpKeys)
    default:
      guard let format = HTTPSettings.Format(rawValue: type), format != .ndjson else {
        throw reader.error(.unknownKey(type, known: SinkSection.types), typeNode.place)
      }
      return (.http(try http(format, fields, node)), SinkSection.httpKeys)
    }
  }

  private func file(_ fields: Fields, _ node: YAMLNode) throws(ConfigurationError) -> FileDestinationSettings {
    guard let path = fields["path"] else { throw reader.error(.missingKey("path"), node.place) }
    var settings = FileDestinationSettings(path: try reader.path(path, of: "path"))
    if let node = fields["max_size"] {
      settings.bytesMax = try reader.number(node, of: "max_size", in: 4096...1 << 50, units: YAMLReader.bytes)
    }
    if let node = fields["max_age"] {
      settings.secondsMax = try reader.number(node, of: "max_age", in: 60...315_360_000, units: YAMLReader.seconds)
    }
    if let node = fields["keep"] {
      settings.keep = Int(try reader.number(node, of: "keep", in: FileDestinationSettings.keepRange))
    }
    return settings
  }

  private enum Address {
    case unix(String)
    case network(scheme: String, host: String, port: Int)
  }

  /// `unix:/run/app.sock`, `tcp:host:601`, `udp:[::1]:514`.
  private func address(
    _ fields: Fields, _ node: YAMLNode, of schemes: [String]
  ) throws(ConfigurationError) -> Address {
    guard let value = fields["address"] else { throw reader.error(.missingKey("address"), node.place) }
    let text = try reader.text(value, of: "address")
    func refuse() -> ConfigurationError {
      let forms = schemes.map { $0 == "unix" ? "unix:/PATH" : "\($0):HOST:PORT" }.joined(separator: " or ")
      return reader.error(.refused("address is \(forms), not \(text)"), value.place)
    }
    guard let colon = text.firstIndex(of: ":") else { throw refuse() }
    let (scheme, rest) = (String(text[..<colon]), text[text.index(after: colon)...])
    guard schemes.contains(scheme) else { throw refuse() }
    if scheme == "unix" { return .unix(String(rest)) }
    guard let last = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: last)...]) else { throw refuse() }
    var host = rest[..<last]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else { throw refuse() }
    return .network(scheme: scheme, host: String(host), port: port)
  }

  private func syslog(_ fields: Fields, _ node: YAMLNode) throws(ConfigurationError) -> SyslogSettings {
    var settings = SyslogSettings(transport: .unixDatagram("/dev/log"))
    if fields["address"] != nil {
      switch try address(fields, node, of: ["unix", "udp", "tcp"]) {
      case .unix(let path): settings.transport = .unixDatagram(path)
      case .network("udp", let host, let port): settings.transport = .udp(host: host, port: port)
      case .network(_, let host, let port): settings.transport = .tcp(host: host, port: port)
      }
    }
    if let node = fields["facility"] { settings.facility = Int(try reader.number(node, of: "facility", in: 0...23)) }
    if let node = fields["body"] {
      let text = try reader.text(node, of: "body")
      guard let body = SyslogSettings.Body(rawValue: text) else {
        throw reader.error(.unknownKey(text, known: SyslogSettings.Body.allCases.map(\.rawValue)), node.place)
      }
      settings.body = body
    }
    return settings
  }

  private func http(
    _ format: HTTPSettings.Format, _ fields: Fields, _ node: YAMLNode
  ) throws(ConfigurationError) -> HTTPSettings {
    var settings = HTTPSettings(format: format)
    func path(_ key: String) throws(ConfigurationError) -> String? {
      try fields[key].map { node throws(ConfigurationError) in try reader.path(node, of: key) }
    }
    func number(
      _ key: String, _ range: ClosedRange<Int64>, _ units: [YAMLReader.Unit] = []
    ) throws(ConfigurationError) -> Int? {
      try fields[key].map { node throws(ConfigurationError) in
        Int(try reader.number(node, of: key, in: range, units: units))
      }
    }
    if let node = fields["url"] { settings.url = try reader.text(node, of: "url") }
    if let node = fields["headers"] { settings.headers = try reader.texts(node, of: "headers") }
    (settings.urlFile, settings.headersFile) = (try path("url_file"), try path("headers_file"))
    (settings.bearerTokenFile, settings.caFile) = (try path("bearer_token_file"), try path("ca_file"))
    (settings.certificateFile, settings.keyFile) = (try path("certificate_file"), try path("key_file"))
    settings.timeoutSeconds =
      try number("timeout", HTTPSettings.timeoutRange, YAMLReader.seconds) ?? settings.timeoutSeconds
    settings.batchLines = try number("batch_lines", HTTPSettings.batchRange) ?? settings.batchLines
    settings.batchBytes = try number("batch_size", 1024...16 << 20, YAMLReader.bytes) ?? settings.batchBytes
    settings.perMinute = try number("per_minute", 1...60_000)
    if let node = fields["labels"] {
      for (key, value) in try reader.pairs(node, of: "labels", known: nil) {
        settings.labels[key] = try reader.text(value, of: key)
      }
    }
    return settings
  }

  private func filter(_ node: YAMLNode?) throws(ConfigurationError) -> DestinationFilter {
    var filter = DestinationFilter()
    guard let node else { return filter }
    for (key, value) in try reader.pairs(node, of: "filter", known: ["types", "cgroups", "victims"]) {
      let texts = try reader.texts(value, of: key)
      switch key {
      case "types": filter.types = Set(texts)
      case "cgroups": filter.cgroups = texts
      default: filter.victims = texts
      }
    }
    return filter
  }
}
