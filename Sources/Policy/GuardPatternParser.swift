// SPDX-License-Identifier: Apache-2.0

/// What a regular expression says.
indirect enum GuardPatternTree {
  case nothing, begin, end
  case bytes(ByteSet)
  case sequence([GuardPatternTree])
  case either([GuardPatternTree])
  case times(GuardPatternTree, least: Int, most: Int?)
}

/// Reads POSIX extended regular expressions as glibc's regcomp(3) does with REG_EXTENDED, but for back-references and
/// word boundaries, which no list of states can follow, and the empty pattern, which would mean everybody.
///
/// Source: regex(7); glibc, posix/regcomp.c, RE_SYNTAX_POSIX_EXTENDED.
struct GuardPatternParser {
  private typealias Failure = GuardPattern.Failure
  private let text: [UInt8]
  private var place = 0
  private var depth = 0

  init(_ text: [UInt8]) { self.text = text }

  mutating func parse() throws(GuardPattern.Failure) -> GuardPatternTree {
    guard !text.isEmpty else { throw failure(.empty) }
    guard text.count <= GuardPattern.bytesMax else { throw failure(.tooLong, at: GuardPattern.bytesMax) }
    return try alternatives()
  }

  private func failure(_ reason: GuardPattern.Failure.Reason, at place: Int? = nil) -> Failure {
    Failure(reason: reason, position: (place ?? self.place) + 1)
  }

  private var byte: UInt8? { place < text.count ? text[place] : nil }

  private mutating func takes(_ wanted: UInt8) -> Bool {
    guard byte == wanted else { return false }
    place += 1
    return true
  }

  private mutating func alternatives() throws(GuardPattern.Failure) -> GuardPatternTree {
    var parts = [try sequence()]
    while takes(UInt8(ascii: "|")) { parts.append(try sequence()) }
    return parts.count == 1 ? parts[0] : .either(parts)
  }

  private mutating func sequence() throws(GuardPattern.Failure) -> GuardPatternTree {
    var parts: [GuardPatternTree] = []
    while let byte, byte != UInt8(ascii: "|"), !(byte == UInt8(ascii: ")") && depth > 0) {
      let (atom, mayRepeat) = try atom()
      parts.append(mayRepeat ? try repeated(atom) : atom)
    }
    return parts.isEmpty ? .nothing : parts.count == 1 ? parts[0] : .sequence(parts)
  }

  /// The second says whether it can be repeated: `^*` cannot.
  private mutating func atom() throws(GuardPattern.Failure) -> (GuardPatternTree, Bool) {
    let byte = text[place]
    switch byte {
    case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"): throw failure(.nothingToRepeat)
    case UInt8(ascii: "("): return (try group(), true)
    case UInt8(ascii: "["): return (.bytes(try bracket()), true)
    case UInt8(ascii: "\\"): return (.bytes(try escaped()), true)
    default: break
    }
    place += 1
    switch byte {
    case UInt8(ascii: "^"): return (.begin, false)
    case UInt8(ascii: "$"): return (.end, false)
    case UInt8(ascii: "."): return (.bytes(.any), true)
    default: return (.bytes(ByteSet(byte)), true)
    }
  }

  private mutating func group() throws(GuardPattern.Failure) -> GuardPatternTree {
    let opened = place
    place += 1
    depth += 1
    guard depth <= GuardPattern.depthMax else { throw failure(.tooDeep, at: opened) }
    let inner = try alternatives()
    guard takes(UInt8(ascii: ")")) else { throw failure(.openGroup, at: opened) }
    depth -= 1
    return inner
  }

  private mutating func escaped() throws(GuardPattern.Failure) -> ByteSet {
    let began = place
    place += 1
    guard let byte else { throw failure(.trailingBackslash, at: began) }
    place += 1
    switch byte {
    case UInt8(ascii: "1")...UInt8(ascii: "9"): throw failure(.backReference, at: began)
    case UInt8(ascii: "b"), UInt8(ascii: "B"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "`"),
      UInt8(ascii: "'"):
      throw failure(.notTaken, at: began)
    case UInt8(ascii: "w"): return ByteSet(where: GuardPatternParser.isWord)
    case UInt8(ascii: "W"): return ByteSet(where: GuardPatternParser.isWord).inverted
    case UInt8(ascii: "s"): return ByteSet(where: GuardPatternParser.isSpace)
    case UInt8(ascii: "S"): return ByteSet(where: GuardPatternParser.isSpace).inverted
    default: return ByteSet(byte)
    }
  }

  private mutating func repeated(_ atom: GuardPatternTree) throws(GuardPattern.Failure) -> GuardPatternTree {
    var tree = atom
    var count = 0
    while let byte {
      // Each wraps the tree once more, and whoever walks it goes as deep.
      let began = place
      switch byte {
      case UInt8(ascii: "*"): (place, tree) = (place + 1, .times(tree, least: 0, most: nil))
      case UInt8(ascii: "+"): (place, tree) = (place + 1, .times(tree, least: 1, most: nil))
      case UInt8(ascii: "?"): (place, tree) = (place + 1, .times(tree, least: 0, most: 1))
      case UInt8(ascii: "{"):
        let (least, most) = try interval()
        tree = .times(tree, least: least, most: most)
      default: return tree
      }
      count += 1
      guard count <= GuardPattern.depthMax else { throw failure(.tooDeep, at: began) }
    }
    return tree
  }

  /// `{2}`, `{2,}`, `{,3}`, `{2,3}`.
  private mutating func interval() throws(GuardPattern.Failure) -> (Int, Int?) {
    let opened = place
    place += 1
    let first = number()
    var (least, most) = (first, first)
    if takes(UInt8(ascii: ",")) { (least, most) = (first ?? 0, number()) }
    guard byte != nil else { throw failure(.openInterval, at: opened) }
    guard takes(UInt8(ascii: "}")), let least, least <= most ?? least,
      max(least, most ?? 0) <= GuardPatternParser.repetitionsMax
    else { throw failure(.interval, at: opened) }
    return (least, most)
  }

  /// RE_DUP_MAX is 32767 there; so many would not fit into the program.
  private static let repetitionsMax = 1000

  private mutating func number() -> Int? {
    var value: Int?
    while let byte, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      value = min((value ?? 0) * 10 + Int(byte - 0x30), 1_000_000)
      place += 1
    }
    return value
  }

  private mutating func bracket() throws(GuardPattern.Failure) -> ByteSet {
    let opened = place
    place += 1
    let isInverted = takes(UInt8(ascii: "^"))
    var set = ByteSet()
    var isFirst = true
    while true {
      guard let byte else { throw failure(.openBracket, at: opened) }
      if byte == UInt8(ascii: "]"), !isFirst { break }
      isFirst = false
      if byte == UInt8(ascii: "["), place + 1 < text.count, text[place + 1] == UInt8(ascii: ":") {
        set.formUnion(try characterClass(opened))
      } else {
        let began = place
        let low = try element(opened)
        guard self.byte == UInt8(ascii: "-"), place + 1 < text.count, text[place + 1] != UInt8(ascii: "]") else {
          set.insert(low)
          continue
        }
        place += 1
        let high = try element(opened)
        guard low <= high else { throw failure(.range, at: began) }
        for byte in low...high { set.insert(byte) }
        // A range has no third end.
        if self.byte == UInt8(ascii: "-"), place + 1 < text.count, text[place + 1] != UInt8(ascii: "]") {
          throw failure(.range, at: began)
        }
      }
    }
    place += 1
    return isInverted ? set.inverted : set
  }

  /// One byte, or `[.x.]` or `[=x=]` of one.
  private mutating func element(_ opened: Int) throws(GuardPattern.Failure) -> UInt8 {
    guard let byte else { throw failure(.openBracket, at: opened) }
    guard byte == UInt8(ascii: "["), place + 1 < text.count,
      text[place + 1] == UInt8(ascii: ".") || text[place + 1] == UInt8(ascii: "=")
    else {
      place += 1
      return byte
    }
    guard place + 4 < text.count, text[place + 3] == text[place + 1], text[place + 4] == UInt8(ascii: "]") else {
      throw failure(.characterClass)
    }
    place += 5
    return text[place - 3]
  }

  private mutating func characterClass(_ opened: Int) throws(GuardPattern.Failure) -> ByteSet {
    let began = place
    guard let end = text[(place + 2)...].firstIndex(of: UInt8(ascii: ":")), end + 1 < text.count,
      text[end + 1] == UInt8(ascii: "]")
    else { throw failure(.openBracket, at: opened) }
    let name = String(decoding: text[(place + 2)..<end], as: UTF8.self)
    guard let isIn = GuardPatternParser.classes[name] else { throw failure(.characterClass, at: began) }
    place = end + 2
    return ByteSet(where: isIn)
  }

  private static func isAlpha(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }
  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private static func isWord(_ byte: UInt8) -> Bool { isAlpha(byte) || isDigit(byte) || byte == 0x5f }
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
  private static func isGraph(_ byte: UInt8) -> Bool { (0x21...0x7e).contains(byte) }

  /// As isalpha(3) and its like have them in the C locale.
  private static let classes: [String: @Sendable (UInt8) -> Bool] = [
    "alpha": { isAlpha($0) }, "digit": { isDigit($0) }, "alnum": { isAlpha($0) || isDigit($0) },
    "upper": { (0x41...0x5a).contains($0) }, "lower": { (0x61...0x7a).contains($0) }, "space": { isSpace($0) },
    "blank": { $0 == 0x20 || $0 == 0x09 }, "punct": { isGraph($0) && !isAlpha($0) && !isDigit($0) },
    "print": { $0 == 0x20 || isGraph($0) }, "graph": { isGraph($0) }, "cntrl": { $0 < 0x20 || $0 == 0x7f },
    "xdigit": { isDigit($0) || (0x61...0x66).contains($0 | 0x20) },
  ]
}
