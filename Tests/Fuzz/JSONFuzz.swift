// SPDX-License-Identifier: Apache-2.0
import Events

/// The reader of JSON, and the writer.
///
/// A text is judged the same in whatever pieces it comes; what is read in full is passed over too, ends where that
/// ends, and is the same when it is written and read again.
enum JSONFuzz {
  private indirect enum Value: Equatable {
    case object([Field])
    case array([Value])
    case text(String)
    case number(Int64?)
    case flag(Bool)
    case nothing
  }

  private struct Field: Equatable {
    var key: String
    var value: Value
  }

  static func take(_ input: [UInt8]) throws(FuzzFault) {
    let whole = read(input, piece: max(1, input.count))
    let pieces = read(input, piece: 1 + Int(input.first ?? 0) % 7)
    try hold(whole == pieces, "what is read depends on the pieces of the text")
    guard case .success(let value) = whole else { return }
    try FuzzedText.holdJSON(input, "what was read")
    let plain = plain(value)
    var writer = JSONWriter()
    write(plain, &writer)
    try FuzzedText.holdLine(writer.bytes, "what was written")
    try hold(read(writer.bytes, piece: 3) == .success(plain), "what is written is read otherwise")
  }

  private static func read(_ bytes: [UInt8], piece: Int) -> Result<Value, JSONReader.Fault> {
    var start = 0
    var json = JSONReader {
      defer { start += piece }
      return start < bytes.count ? Array(bytes[start..<min(bytes.count, start + piece)]) : []
    }
    do throws(JSONReader.Fault) {
      let value = try value(&json)
      try json.end()
      return .success(value)
    } catch {
      return .failure(error)
    }
  }

  private static func value(_ json: inout JSONReader) throws(JSONReader.Fault) -> Value {
    switch try json.kind() {
    case .object:
      var fields: [Field] = []
      try json.object { (json, key) throws(JSONReader.Fault) in
        fields.append(Field(key: key, value: try value(&json)))
        return true
      }
      return .object(fields)
    case .array:
      var values: [Value] = []
      try json.array { (json) throws(JSONReader.Fault) in values.append(try value(&json)) }
      return .array(values)
    case .text: return .text(try json.text() ?? "")
    case .number: return .number(try json.integer())
    case .flag: return .flag(try json.flag() ?? false)
    case .nothing:
      try json.skip()
      return .nothing
    }
  }

  /// In what the writer can write of any text: it has no keys but those of its callers, and no null.
  private static func plain(_ value: Value) -> Value {
    switch value {
    case .object(let fields): .array(fields.flatMap { [.text($0.key), plain($0.value)] })
    case .array(let values): .array(values.map(plain))
    case .number(nil), .nothing: .array([])
    case .text, .number, .flag: value
    }
  }

  private static func write(_ value: Value, _ json: inout JSONWriter) {
    switch value {
    case .array(let values): json.array { json in for value in values { write(value, &json) } }
    case .text(let text): json.value(text)
    case .number(let number): json.value(number ?? 0)
    case .flag(let flag): json.value(flag)
    case .object, .nothing: break
    }
  }
}
