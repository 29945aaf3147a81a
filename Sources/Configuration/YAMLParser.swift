// SPDX-License-Identifier: Apache-2.0
import CYAML

/// Reads one YAML document into a tree that knows its places.
///
/// Aliases, anchors and a second document are errors, and depth and size have limits: what a person writes needs none of
/// them. Source: libyaml, yaml_parser_parse().
package struct YAMLParser: ~Copyable {
  package static let depthLimit = 16
  package static let nodesLimit = 100_000

  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let file: String
  /// libyaml keeps the pointer, so the bytes are held until the tree is made.
  private let bytes: UnsafeMutableBufferPointer<UInt8>
  private var nodes = 0

  /// - Parameter file: what errors call it.
  private init(_ bytes: [UInt8], file: String) {
    self.file = file
    self.bytes = .allocate(capacity: bytes.count)
    _ = self.bytes.initialize(from: bytes)
    parser = .allocate(capacity: 1)
    parser.initialize(to: yaml_parser_t())
    yaml_parser_initialize(parser)
    yaml_parser_set_input_string(parser, self.bytes.baseAddress, bytes.count)
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
    bytes.deallocate()
  }

  /// The document, or nil where there is none: an empty text, or comments alone.
  ///
  /// - Throws: where it is no YAML, or has what is refused.
  package static func document(_ bytes: [UInt8], file: String) throws(ConfigurationError) -> YAMLNode? {
    var parser = YAMLParser(bytes, file: file)
    return try parser.document()
  }

  private mutating func document() throws(ConfigurationError) -> YAMLNode? {
    _ = try next()
    guard try next().kind == YAML_DOCUMENT_START_EVENT else { return nil }
    let root = try node(try next(), depth: 0)
    _ = try next()
    let after = try next()
    guard after.kind == YAML_STREAM_END_EVENT else { throw error(.secondDocument, after.place) }
    return root
  }

  private mutating func node(_ event: Event, depth: Int) throws(ConfigurationError) -> YAMLNode {
    nodes += 1
    guard depth < YAMLParser.depthLimit else { throw error(.tooDeep(limit: YAMLParser.depthLimit), event.place) }
    guard nodes < YAMLParser.nodesLimit else {
      throw error(.tooManyNodes(limit: YAMLParser.nodesLimit), event.place)
    }
    guard event.kind != YAML_ALIAS_EVENT, !event.hasAnchor else { throw error(.alias, event.place) }
    switch event.kind {
    case YAML_SEQUENCE_START_EVENT:
      var items: [YAMLNode] = []
      while true {
        let item = try next()
        if item.kind == YAML_SEQUENCE_END_EVENT { break }
        items.append(try node(item, depth: depth + 1))
      }
      return YAMLNode(value: .sequence(items), place: event.place)
    case YAML_MAPPING_START_EVENT:
      return YAMLNode(value: .mapping(try pairs(depth: depth)), place: event.place)
    default:
      guard !event.text.utf8.contains(0) else { throw error(.holdsNUL, event.place) }
      return YAMLNode(value: .scalar(event.text, isQuoted: event.isQuoted), place: event.place)
    }
  }

  private mutating func pairs(depth: Int) throws(ConfigurationError) -> [(key: YAMLNode, value: YAMLNode)] {
    var pairs: [(key: YAMLNode, value: YAMLNode)] = []
    var lines: [String: Int] = [:]
    while true {
      let event = try next()
      if event.kind == YAML_MAPPING_END_EVENT { return pairs }
      let key = try node(event, depth: depth + 1)
      guard case .scalar(let name, _) = key.value else {
        throw error(.wrongKind(of: "a key", wanted: [.text], found: key.value.kind), key.place)
      }
      if let first = lines.updateValue(key.place.line, forKey: name) {
        throw error(.duplicateKey(name, firstLine: first), key.place)
      }
      pairs.append((key, try node(try next(), depth: depth + 1)))
    }
  }

  /// One event of libyaml's, copied out of its memory.
  private struct Event {
    var kind: yaml_event_type_t
    var place: TextPlace
    var text = ""
    var isQuoted = false
    var hasAnchor = false
  }

  private func next() throws(ConfigurationError) -> Event {
    var raw = yaml_event_t()
    guard yaml_parser_parse(parser, &raw) == 1 else { throw syntaxError() }
    defer { yaml_event_delete(&raw) }
    var event = Event(kind: raw.type, place: YAMLParser.place(raw.start_mark))
    switch raw.type {
    case YAML_SCALAR_EVENT:
      let scalar = raw.data.scalar
      event.text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      event.isQuoted = scalar.style != YAML_PLAIN_SCALAR_STYLE
      event.hasAnchor = scalar.anchor != nil
    case YAML_SEQUENCE_START_EVENT: event.hasAnchor = raw.data.sequence_start.anchor != nil
    case YAML_MAPPING_START_EVENT: event.hasAnchor = raw.data.mapping_start.anchor != nil
    default: break
    }
    return event
  }

  /// An error of libyaml's reader (a byte that cannot be) has no mark, only an offset.
  private func syntaxError() -> ConfigurationError {
    let state = parser.pointee
    let problem = state.problem.map { String(cString: $0) } ?? "memory ran out"
    let context = state.context.map { String(cString: $0) + ", " } ?? ""
    let place =
      state.error == YAML_READER_ERROR ? place(offset: state.problem_offset) : YAMLParser.place(state.problem_mark)
    return error(.syntax(context + problem), place)
  }

  private func place(offset: Int) -> TextPlace {
    let before = bytes.prefix(offset)
    let begin = before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
    // Bytes that continue a character of UTF-8 are none of their own.
    let characters = before[begin...].count { $0 & 0xc0 != 0x80 }
    return TextPlace(line: before.count { $0 == 0x0a } + 1, column: characters + 1)
  }

  private func error(_ fault: ConfigurationError.Fault, _ place: TextPlace) -> ConfigurationError {
    ConfigurationError(file: file, place: place, fault: fault)
  }

  private static func place(_ mark: yaml_mark_t) -> TextPlace {
    TextPlace(line: mark.line + 1, column: mark.column + 1)
  }
}
