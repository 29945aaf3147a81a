// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

/// What the reader of JSON takes, what it refuses, and where.
@Suite struct JSONReaderTests {
  /// A reader of this text in pieces of so many bytes.
  private static func reader(_ text: [UInt8], piece: Int) -> JSONReader {
    var rest = text[...]
    return JSONReader {
      defer { rest = rest.dropFirst(piece) }
      return Array(rest.prefix(piece))
    }
  }

  /// All of it written again: keys and texts as they were read, whole numbers, flags, and null for all else.
  private static func written(_ json: inout JSONReader) throws(JSONReader.Fault) -> String {
    switch try json.kind() {
    case .object:
      var fields: [String] = []
      try json.object { (json, key) throws(JSONReader.Fault) in
        fields.append("\(key)=" + (try written(&json)))
        return true
      }
      return "{" + fields.joined(separator: ",") + "}"
    case .array:
      var elements: [String] = []
      try json.array { (json) throws(JSONReader.Fault) in elements.append(try written(&json)) }
      return "[" + elements.joined(separator: ",") + "]"
    case .text: return "'" + (try json.text() ?? "nil") + "'"
    case .number: return try json.integer().map { "\($0)" } ?? "no integer"
    case .flag: return "\(try json.flag() ?? false)"
    case .nothing:
      try json.skip()
      return "null"
    }
  }

  private static func read(_ text: [UInt8], piece: Int = 1000) -> Result<String, JSONReader.Fault> {
    var json = reader(text, piece: piece)
    do throws(JSONReader.Fault) {
      let all = try written(&json)
      try json.end()
      return .success(all)
    } catch { return .failure(error) }
  }

  /// The same, with nothing asked for.
  private static func passed(_ text: [UInt8], piece: Int) -> JSONReader.Fault? {
    var json = reader(text, piece: piece)
    do throws(JSONReader.Fault) {
      try json.skip()
      try json.end()
      return nil
    } catch { return error }
  }

  static let good: [(String, String)] = [
    (#"{}"#, "{}"), ("[]", "[]"), (" [ 1 , 2 ]\n", "[1,2]"),
    (#"{"a":{"b":[true,false,null]}}"#, "{a={b=[true,false,null]}}"),
    (#""x""#, "'x'"), (#""""#, "''"), ("0", "0"), ("-0", "0"), ("-12", "-12"),
    ("9223372036854775807", "9223372036854775807"),
    ("9223372036854775808", "no integer"), ("1.5", "no integer"), ("1e3", "no integer"), ("1E+3", "no integer"),
    (String(repeating: "9", count: 500), "no integer"),
    (#""\"\\\/\b\f\n\r\t""#, "'\"\\/\u{8}\u{c}\n\r\t'"), (#""é""#, "'é'"), (#""😀""#, "'😀'"),
    (#""\ud83d""#, "'\u{fffd}'"), (#""\ud83dx""#, "'\u{fffd}x'"), (#""\udc00""#, "'\u{fffd}'"), ("\"😀é\"", "'😀é'"),
    (#"{"a":1,"a":2}"#, "{a=1,a=2}"), (#"{"":""}"#, "{='' }".replacing(" ", with: "")), ("\r\n\t[\n1\n]", "[1]"),
  ]

  @Test("what is JSON is read, in pieces of any size", arguments: good)
  func reads(text: String, expected: String) {
    for piece in [1, 2, 3, 7, 1000] {
      #expect(JSONReaderTests.read(Array(text.utf8), piece: piece) == .success(expected), "in pieces of \(piece)")
      #expect(JSONReaderTests.passed(Array(text.utf8), piece: piece) == nil, "in pieces of \(piece)")
    }
  }

  static let bad: [(String, JSONReader.Fault.Reason, line: Int, column: Int)] = [
    ("", .endsEarly, 1, 1), ("  \n ", .endsEarly, 2, 2), ("{", .endsEarly, 1, 2), ("[1,", .endsEarly, 1, 4),
    (#"{"a""#, .endsEarly, 1, 5), (#"{"a":"#, .endsEarly, 1, 6), (#""abc"#, .endsEarly, 1, 5),
    ("tru", .endsEarly, 1, 4),
    ("-", .endsEarly, 1, 2), ("1.", .endsEarly, 1, 3), ("1e", .endsEarly, 1, 3), (#""\u00"#, .endsEarly, 1, 6),
    ("[1 2]", .unexpected(0x32), 1, 4), ("[1,]", .unexpected(0x5d), 1, 4), ("{,}", .unexpected(0x2c), 1, 2),
    ("{a:1}", .unexpected(0x61), 1, 2), ("{\"a\" 1}", .unexpected(0x31), 1, 6), ("[1}", .unexpected(0x7d), 1, 3),
    ("1 1", .unexpected(0x31), 1, 3), ("[]\n]", .unexpected(0x5d), 2, 1), ("nul!", .unexpected(0x21), 1, 4),
    ("01", .unexpected(0x31), 1, 2), ("+1", .unexpected(0x2b), 1, 1), (".5", .unexpected(0x2e), 1, 1),
    ("NaN", .unexpected(0x4e), 1, 1), ("'a'", .unexpected(0x27), 1, 1), ("No resources found", .unexpected(0x4e), 1, 1),
    ("\"a\nb\"", .unexpected(0x0a), 1, 3), ("# c\n{}", .unexpected(0x23), 1, 1), (#""\x""#, .badText, 1, 3),
    (#""\u00g0""#, .badText, 1, 7), ("{\"a\":\n  [1,\n   x]}", .unexpected(0x78), 3, 4),
    (String(repeating: "[", count: 129), .tooDeep, 1, 130),
    (String(repeating: "{\"a\":", count: 200_000), .tooDeep, 1, 642),
  ]

  @Test("what is no JSON is refused, with its place, asked for or not", arguments: bad.indices)
  func refuses(index: Int) {
    let (text, reason, line, column) = JSONReaderTests.bad[index]
    let bytes = Array(text.utf8)
    guard case .failure(let fault) = JSONReaderTests.read(bytes) else {
      Issue.record("\(text) was read")
      return
    }
    #expect(fault.reason == reason && fault.line == line, "\(text): \(fault)")
    for piece in [1, 2, 5, 1000] {
      #expect(JSONReaderTests.passed(bytes, piece: piece)?.reason == reason, "\(text)")
      guard case .failure(let again) = JSONReaderTests.read(bytes, piece: piece) else { continue }
      #expect(again == fault, "\(text) in pieces of \(piece)")
    }
    #expect(fault.column == column, "\(text): \(fault)")
  }

  @Test("bytes that are no UTF-8 are refused where they are asked for, and a text that is too long")
  func texts() {
    guard case .failure(let fault) = JSONReaderTests.read([0x22, 0xff, 0x22]) else {
      Issue.record("it was read")
      return
    }
    #expect(fault.reason == .badText)
    let long = Array("\"".utf8) + [UInt8](repeating: 0x61, count: JSONReader.textBytesMax + 1) + Array("\"".utf8)
    guard case .failure(let tooLong) = JSONReaderTests.read(long) else {
      Issue.record("it was read")
      return
    }
    #expect(tooLong.reason == .textTooLong)
    #expect(JSONReaderTests.passed(long, piece: 1000) == nil)
  }

  @Test("what is of another kind than is asked for is passed over")
  func otherKinds() throws {
    for text in ["{\"a\":[1]}", "[{}]", "1", "\"x\"", "true", "null"] {
      var json = JSONReaderTests.reader(Array((text + " 7").utf8), piece: 3)
      let kind = try json.kind()
      switch kind {
      case .object: #expect(try json.array { (_) throws(JSONReader.Fault) in } == false)
      case .text: #expect(try json.integer() == nil)
      default: #expect(try json.text() == nil)
      }
      #expect(try json.integer() == 7)
      try json.end()
    }
    var empty = JSONReaderTests.reader(Array(" \n".utf8), piece: 1)
    let isEmpty = empty.isEmpty()
    #expect(isEmpty)
  }
}
