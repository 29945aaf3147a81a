// SPDX-License-Identifier: Apache-2.0

/// A POSIX extended regular expression over bytes, searched for without asking for memory.
///
/// regexec(3) allocates at each search, and regcomp(3) does not tell where a pattern is wrong. All states are followed at
/// once, so that a search takes no longer than the text times the pattern, whatever both are. In the C locale: a byte is a
/// character. Not for two threads at once. Source: regex(7); Thompson 1968.
package final class GuardPattern {
  /// What is wrong, and at which byte of the pattern, from 1.
  package struct Failure: Error, Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
      case empty, tooLong, tooLarge, tooDeep, openGroup, openBracket, openInterval, interval, range, characterClass
      case trailingBackslash, nothingToRepeat, backReference, notTaken
    }
    package var reason: Reason
    package var position: Int

    package init(reason: Reason, position: Int) {
      self.reason = reason
      self.position = position
    }
  }

  /// Bytes of a pattern, instructions that it may become, groups within each other.
  package static let bytesMax = 1024
  package static let instructionsMax = 8192
  package static let depthMax = 64

  /// One step of the machine; where it goes on is in `next` and, for a fork, in `other`.
  struct Instruction {
    enum Kind: UInt8 { case bytes, fork, begin, end, match }
    var kind: Kind
    var set = ByteSet()
    var next: Int32 = 0
    var other: Int32 = 0
  }

  /// As it was given.
  package let text: String
  private let program: UnsafeMutableBufferPointer<Instruction>
  private let start: Int32
  /// Instructions that wait for the next byte, those after it, and those that are still to be followed.
  private var current: UnsafeMutableBufferPointer<Int32>
  private var following: UnsafeMutableBufferPointer<Int32>
  private let stack: UnsafeMutableBufferPointer<Int32>
  /// The step in which an instruction was last looked at.
  private let seen: UnsafeMutableBufferPointer<UInt32>
  private var step: UInt32 = 0
  private var followingCount = 0

  package init(_ text: String) throws(Failure) {
    var parser = GuardPatternParser(Array(text.utf8))
    let tree = try parser.parse()
    var compiler = GuardPatternCompiler()
    let match = try compiler.emit(Instruction(kind: .match))
    start = try compiler.compile(tree, then: match)
    self.text = text
    let count = compiler.instructions.count
    program = .allocate(capacity: count)
    _ = program.initialize(from: compiler.instructions)
    current = .allocate(capacity: count)
    following = .allocate(capacity: count)
    stack = .allocate(capacity: 2 * count + 2)
    seen = .allocate(capacity: count)
    current.initialize(repeating: 0)
    following.initialize(repeating: 0)
    stack.initialize(repeating: 0)
    seen.initialize(repeating: 0)
  }

  deinit {
    program.deallocate()
    current.deallocate()
    following.deallocate()
    stack.deallocate()
    seen.deallocate()
  }

  /// Whether it is anywhere in these bytes.
  package func isFound(in text: UnsafeRawBufferPointer) -> Bool {
    begin()
    if follow(start, at: 0, of: text.count) { return true }
    for position in 0..<text.count {
      let waiting = followingCount
      swap(&current, &following)
      begin()
      let byte = text[position]
      for index in 0..<waiting {
        let instruction = program[Int(current[index])]
        guard instruction.set.contains(byte) else { continue }
        if follow(instruction.next, at: position + 1, of: text.count) { return true }
      }
      // A match may begin at any byte.
      if follow(start, at: position + 1, of: text.count) { return true }
    }
    return false
  }

  private func begin() {
    followingCount = 0
    if step == .max {
      seen.update(repeating: 0)
      step = 0
    }
    step += 1
  }

  /// Goes on until bytes are wanted; true where the end of the pattern is reached.
  private func follow(_ first: Int32, at position: Int, of count: Int) -> Bool {
    var depth = 1
    stack[0] = first
    while depth > 0 {
      depth -= 1
      let place = Int(stack[depth])
      guard seen[place] != step else { continue }
      seen[place] = step
      let instruction = program[place]
      switch instruction.kind {
      case .match: return true
      case .bytes:
        following[followingCount] = Int32(place)
        followingCount += 1
      case .fork:
        stack[depth] = instruction.other
        stack[depth + 1] = instruction.next
        depth += 2
      case .begin where position == 0, .end where position == count:
        stack[depth] = instruction.next
        depth += 1
      case .begin, .end: break
      }
    }
    return false
  }
}

/// Some of the 256 bytes.
struct ByteSet: Hashable {
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// All of them; NUL too, which parts the arguments of a command line.
  static var any: ByteSet {
    var set = ByteSet()
    set.words = (.max, .max, .max, .max)
    return set
  }

  init() {}
  init(_ byte: UInt8) { insert(byte) }
  init(where isIn: (UInt8) -> Bool) { for byte in UInt8.min...UInt8.max where isIn(byte) { insert(byte) } }

  func contains(_ byte: UInt8) -> Bool {
    let bit: UInt64 = 1 << UInt64(byte & 63)
    return switch byte >> 6 {
    case 0: words.0 & bit != 0
    case 1: words.1 & bit != 0
    case 2: words.2 & bit != 0
    default: words.3 & bit != 0
    }
  }

  mutating func insert(_ byte: UInt8) {
    let bit: UInt64 = 1 << UInt64(byte & 63)
    switch byte >> 6 {
    case 0: words.0 |= bit
    case 1: words.1 |= bit
    case 2: words.2 |= bit
    default: words.3 |= bit
    }
  }

  mutating func formUnion(_ other: ByteSet) {
    words = (
      words.0 | other.words.0, words.1 | other.words.1, words.2 | other.words.2, words.3 | other.words.3
    )
  }

  var inverted: ByteSet {
    var set = ByteSet()
    set.words = (~words.0, ~words.1, ~words.2, ~words.3)
    return set
  }

  static func == (left: ByteSet, right: ByteSet) -> Bool { left.words == right.words }

  func hash(into hasher: inout Hasher) {
    for word in [words.0, words.1, words.2, words.3] { hasher.combine(word) }
  }
}

/// Makes instructions of a tree, from the last to the first.
struct GuardPatternCompiler {
  private(set) var instructions: [GuardPattern.Instruction] = []

  mutating func emit(_ instruction: GuardPattern.Instruction) throws(GuardPattern.Failure) -> Int32 {
    guard instructions.count < GuardPattern.instructionsMax else {
      throw GuardPattern.Failure(reason: .tooLarge, position: 1)
    }
    instructions.append(instruction)
    return Int32(instructions.count - 1)
  }

  /// Where the part begins that does `tree` and then goes on at `next`.
  mutating func compile(_ tree: GuardPatternTree, then next: Int32) throws(GuardPattern.Failure) -> Int32 {
    switch tree {
    case .nothing: return next
    case .bytes(let set): return try emit(.init(kind: .bytes, set: set, next: next))
    case .begin: return try emit(.init(kind: .begin, next: next))
    case .end: return try emit(.init(kind: .end, next: next))
    case .sequence(let parts):
      var next = next
      for part in parts.reversed() { next = try compile(part, then: next) }
      return next
    case .either(let parts):
      var entry = try compile(parts[parts.count - 1], then: next)
      for part in parts.dropLast().reversed() {
        let one = try compile(part, then: next)
        entry = try emit(.init(kind: .fork, next: one, other: entry))
      }
      return entry
    case .times(let part, let least, let most): return try compile(part, least, most, then: next)
    }
  }

  private mutating func compile(
    _ part: GuardPatternTree, _ least: Int, _ most: Int?, then next: Int32
  ) throws(GuardPattern.Failure) -> Int32 {
    var entry = next
    if let most {
      for _ in 0..<(most - least) {
        let once = try compile(part, then: entry)
        entry = try emit(.init(kind: .fork, next: once, other: next))
      }
    } else {
      // The loop's fork is there before what it leads to.
      let fork = try emit(.init(kind: .fork, next: next, other: next))
      instructions[Int(fork)].next = try compile(part, then: fork)
      entry = fork
    }
    for _ in 0..<least {
      let once = try compile(part, then: entry)
      // What asks for nothing, as `()`, is the same however often.
      if once == entry { break }
      entry = once
    }
    return entry
  }
}
