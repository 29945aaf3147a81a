// SPDX-License-Identifier: Apache-2.0

/// Reads one JSON text piece by piece, and hands on what is asked for: no tree is made, and no more than a piece is held.
///
/// All of it is judged, what is passed over too. A key that is there twice is told twice. Source: RFC 8259.
package struct JSONReader: ~Copyable {
  /// Objects and arrays within each other.
  package static let depthMax = 128
  /// Bytes of one text or key that is asked for.
  package static let textBytesMax = 1024 * 1024

  /// What a value is, by its first byte.
  package enum Kind: Sendable { case object, array, text, number, flag, nothing }

  /// What is wrong, and the line and the byte of it where that is, both from 1.
  package struct Fault: Error, Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
      /// The text ends within a value, or before one.
      case endsEarly
      /// Something else was to come here; the byte that came.
      case unexpected(UInt8)
      case tooDeep
      case textTooLong
      /// A text that is no UTF-8, or an escape that is none.
      case badText
    }

    package var reason: Reason
    package var line: Int
    package var column: Int

    package init(reason: Reason, line: Int, column: Int) {
      (self.reason, self.line, self.column) = (reason, line, column)
    }
  }

  private let refill: () -> [UInt8]
  private var piece: [UInt8] = []
  private var position = 0
  private var depth = 0
  private var line = 1
  /// Bytes before this piece, and before the line; their difference is a column.
  private var passedBytes = 0
  private var lineBeginBytes = 0
  private var scratch: [UInt8] = []

  /// - Parameter refill: the next bytes; none at the end.
  package init(_ refill: @escaping () -> [UInt8]) { self.refill = refill }

  /// What comes next, without taking it.
  package mutating func kind() throws(Fault) -> Kind {
    switch try significant() {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .text
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .flag
    case UInt8(ascii: "n"): return .nothing
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    case let byte: throw fault(.unexpected(byte))
    }
  }

  /// An object's fields, in their order: `field` takes the value, or leaves it, and then it is passed over. What is no
  /// object is passed over too.
  ///
  /// - Returns: whether it is an object.
  @discardableResult package mutating func object(
    _ field: (inout JSONReader, String) throws(Fault) -> Bool
  ) throws(Fault) -> Bool {
    guard try kind() == .object else {
      try skip()
      return false
    }
    try elements(until: UInt8(ascii: "}")) { (json) throws(Fault) in
      let key = try json.quoted()
      try json.expect(UInt8(ascii: ":"))
      if try !field(&json, key) { try json.skip() }
    }
    return true
  }

  /// An array's elements, in their order; `element` takes each. What is no array is passed over.
  ///
  /// - Returns: whether it is an array.
  @discardableResult package mutating func array(
    _ element: (inout JSONReader) throws(Fault) -> Void
  ) throws(Fault) -> Bool {
    guard try kind() == .array else {
      try skip()
      return false
    }
    try elements(until: UInt8(ascii: "]"), element)
    return true
  }

  /// A text; nil for anything else, which is passed over.
  package mutating func text() throws(Fault) -> String? {
    if try kind() == .text { return try quoted() }
    try skip()
    return nil
  }

  /// A whole number that fits; nil for anything else, which is passed over.
  package mutating func integer() throws(Fault) -> Int64? {
    guard try kind() == .number else {
      try skip()
      return nil
    }
    return Int64(try number())
  }

  /// More pages or bytes than any host has; sums of some, and a page's bytes times it, fit 64 bits.
  package static let amountMax: Int64 = 1 << 46

  /// A whole number that fits into its type, and where that is signed is no larger than `amountMax`, whoever wrote it; nil
  /// for anything else, which is passed over.
  mutating func whole<Number: FixedWidthInteger>() throws(Fault) -> Number? {
    guard try kind() == .number else {
      try skip()
      return nil
    }
    let digits = try number()
    guard let number = Int64(digits) else { return UInt64(digits).flatMap { Number(exactly: $0) } }
    return Number.isSigned && number.magnitude > JSONReader.amountMax ? nil : Number(exactly: number)
  }

  /// A number with two decimals at most, in hundredths: `0.25` is 25; nil for anything else, which is passed over.
  mutating func hundredths() throws(Fault) -> Int64? {
    guard try kind() == .number else {
      try skip()
      return nil
    }
    let parts = try number().split(separator: ".", omittingEmptySubsequences: false)
    let decimals = parts.count > 1 ? parts[1] : ""
    guard decimals.utf8.count <= 2 else { return nil }
    return Int64(parts[0] + decimals + String(repeating: "0", count: 2 - decimals.utf8.count))
  }

  /// True or false; nil for anything else, which is passed over.
  package mutating func flag() throws(Fault) -> Bool? {
    guard try kind() == .flag else {
      try skip()
      return nil
    }
    let isTrue = try significant() == UInt8(ascii: "t")
    try word(isTrue ? "true" : "false")
    return isTrue
  }

  /// Passes over one value, whatever it is.
  package mutating func skip() throws(Fault) {
    switch try kind() {
    case .object:
      try elements(until: UInt8(ascii: "}")) { (json) throws(Fault) in
        guard try json.significant() == UInt8(ascii: "\"") else { throw json.unexpected() }
        try json.skipText()
        try json.expect(UInt8(ascii: ":"))
        try json.skip()
      }
    case .array: try elements(until: UInt8(ascii: "]")) { (json) throws(Fault) in try json.skip() }
    case .text: try skipText()
    case .number: _ = try number()
    case .flag: try word(try significant() == UInt8(ascii: "t") ? "true" : "false")
    case .nothing: try word("null")
    }
  }

  /// Nothing but blanks may come any more.
  package mutating func end() throws(Fault) {
    if blanksPassed() { throw unexpected() }
  }

  /// Whether nothing but blanks was there at all; to be asked first.
  package mutating func isEmpty() -> Bool { !blanksPassed() }

  private mutating func elements(
    until close: UInt8, _ element: (inout JSONReader) throws(Fault) -> Void
  ) throws(Fault) {
    position += 1
    depth += 1
    guard depth <= JSONReader.depthMax else { throw fault(.tooDeep) }
    if try significant() == close {
      position += 1
      depth -= 1
      return
    }
    while true {
      try element(&self)
      let byte = try significant()
      guard byte == close || byte == UInt8(ascii: ",") else { throw unexpected() }
      position += 1
      if byte == close { break }
    }
    depth -= 1
  }
}

extension JSONReader {
  /// The byte at `position`; false at the end.
  @inline(__always)
  private mutating func hasByte() -> Bool { position < piece.count || refilled() }

  @inline(never)
  private mutating func refilled() -> Bool {
    passedBytes += piece.count
    piece = refill()
    position = 0
    return !piece.isEmpty
  }

  /// Goes to the next byte that is no blank; false at the end.
  private mutating func blanksPassed() -> Bool {
    while hasByte() {
      switch piece[position] {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
      case UInt8(ascii: "\n"):
        position += 1
        line += 1
        lineBeginBytes = passedBytes + position
      default: return true
      }
    }
    return false
  }

  private mutating func significant() throws(Fault) -> UInt8 {
    guard blanksPassed() else { throw fault(.endsEarly) }
    return piece[position]
  }

  private mutating func expect(_ byte: UInt8) throws(Fault) {
    guard try significant() == byte else { throw unexpected() }
    position += 1
  }

  /// The next byte within a value, taken.
  private mutating func take() throws(Fault) -> UInt8 {
    guard hasByte() else { throw fault(.endsEarly) }
    position += 1
    return piece[position - 1]
  }

  private mutating func word(_ word: StaticString) throws(Fault) {
    for index in 0..<word.utf8CodeUnitCount where try take() != word.utf8Start[index] {
      position -= 1
      throw unexpected()
    }
  }

  private mutating func number() throws(Fault) -> String {
    scratch.removeAll(keepingCapacity: true)
    if try significant() == UInt8(ascii: "-") { scratch.append(try take()) }
    if hasByte(), piece[position] == UInt8(ascii: "0") {
      scratch.append(try take())
      if hasByte(), isDigit { throw unexpected() }
    } else {
      try digits()
    }
    if hasByte(), piece[position] == UInt8(ascii: ".") {
      scratch.append(try take())
      try digits()
    }
    if hasByte(), piece[position] | 0x20 == UInt8(ascii: "e") {
      scratch.append(try take())
      if hasByte(), [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(piece[position]) { scratch.append(try take()) }
      try digits()
    }
    return String(decoding: scratch, as: UTF8.self)
  }

  /// One at least. Of more than any number has the first ones are kept: it fits no integer anyway.
  private mutating func digits() throws(Fault) {
    guard hasByte() else { throw fault(.endsEarly) }
    guard isDigit else { throw unexpected() }
    while hasByte(), isDigit {
      if scratch.count < JSONReader.numberBytesKept { scratch.append(piece[position]) }
      position += 1
    }
  }

  private static let numberBytesKept = 64

  private var isDigit: Bool { (0x30...0x39).contains(piece[position]) }

  /// Passes over a text from its first quote on: what it holds is not judged beyond its escapes.
  private mutating func skipText() throws(Fault) {
    position += 1
    while true {
      guard hasByte() else { throw fault(.endsEarly) }
      var index = position
      piece.withUnsafeBufferPointer { bytes in
        while index < bytes.count, bytes[index] != 0x22, bytes[index] != 0x5c, bytes[index] >= 0x20 { index += 1 }
      }
      position = index
      guard index < piece.count else { continue }
      switch piece[index] {
      case 0x22:
        position += 1
        return
      case 0x5c:
        position += 1
        _ = try escape()
      default: throw unexpected()
      }
    }
  }

  /// A text that is wanted.
  private mutating func quoted() throws(Fault) -> String {
    try expect(UInt8(ascii: "\""))
    scratch.removeAll(keepingCapacity: true)
    while true {
      let byte = try take()
      switch byte {
      case 0x22:
        guard let text = String(validating: scratch, as: UTF8.self) else { throw fault(.badText) }
        return text
      case 0x5c: scratch.append(contentsOf: UTF8.encode(try escape())!)
      case 0x00..<0x20:
        position -= 1
        throw unexpected()
      default: scratch.append(byte)
      }
      guard scratch.count <= JSONReader.textBytesMax else { throw fault(.textTooLong) }
    }
  }

  /// What stands for a character after a backslash. Half of a pair alone stands for U+FFFD.
  private mutating func escape() throws(Fault) -> Unicode.Scalar {
    switch try take() {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let first = try fourDigits()
      guard first & 0xf800 == 0xd800 else { return Unicode.Scalar(first)! }
      guard first < 0xdc00, hasByte(), piece[position] == UInt8(ascii: "\\") else { return "\u{fffd}" }
      position += 1
      // Another escape than of a second half: it stands for itself, and what came before for nothing.
      guard hasByte(), piece[position] == UInt8(ascii: "u") else { return try escape() }
      position += 1
      let second = try fourDigits()
      guard second & 0xfc00 == 0xdc00 else { return Unicode.Scalar(second) ?? "\u{fffd}" }
      return Unicode.Scalar(0x10000 + (first & 0x3ff) << 10 + second & 0x3ff)!
    default:
      position -= 1
      throw fault(.badText)
    }
  }

  private mutating func fourDigits() throws(Fault) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let byte = try take()
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw fault(.badText) }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  private func unexpected() -> Fault { fault(.unexpected(piece[position])) }

  private func fault(_ reason: Fault.Reason) -> Fault {
    Fault(reason: reason, line: line, column: passedBytes + position - lineBeginBytes + 1)
  }
}
