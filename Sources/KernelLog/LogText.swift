// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Cuts a log that comes in pieces into lines, and passes over those that cannot be of an OOM report.
///
/// Only a line that holds `oom_`, `kill` or `Kill` can begin one, as text or as the numbers that journalctl's JSON has for a
/// message that is not UTF-8; so while nobody waits for lines, all others are passed over. What is kept from piece to piece
/// is one unfinished line, of bounded length.
struct LogText {
  /// Bytes of a line that is kept; of a longer one the rest is passed over. Kernel: a record has at most 1024 bytes, a
  /// JSON entry of the journal that holds one not 64 KiB.
  static let lineBytesMax = 64 * 1024

  /// Whether messages may be written as numbers.
  private let isJSON: Bool
  private var unfinished: [UInt8] = []
  private var isTooLong = false

  init(isJSON: Bool = false) { self.isJSON = isJSON }

  /// Takes the next piece. `line` gets each line that is wanted, without its end, and says whether it wants the ones
  /// after it whatever they hold.
  ///
  /// - Parameter places: of the words as `places(in:)` gives them; nil: they are looked for here.
  mutating func take(
    _ piece: UnsafeBufferPointer<UInt8>, places: [UInt32]? = nil, wantsAll: Bool, line: (ArraySlice<UInt8>) -> Bool
  ) {
    var wantsAll = wantsAll
    var words = Words(piece, places: places, isJSON: isJSON)
    var start = 0
    if !unfinished.isEmpty || isTooLong {
      guard let end = LogText.newline(piece, from: 0) else { return keep(piece, from: 0) }
      if !isTooLong {
        keep(UnsafeBufferPointer(rebasing: piece[..<end]), from: 0)
        if !isTooLong, wantsAll || mayBegin(unfinished) { wantsAll = line(unfinished[...]) }
      }
      unfinished.removeAll(keepingCapacity: true)
      isTooLong = false
      start = end + 1
    }
    while start < piece.count {
      if !wantsAll {
        guard let place = words.next(from: start) else { break }
        start = LogText.lineStart(piece, before: place, notBefore: start)
      }
      guard let end = LogText.newline(piece, from: start) else { break }
      if end - start <= LogText.lineBytesMax { wantsAll = line(Array(piece[start..<end])[...]) }
      start = end + 1
    }
    guard start < piece.count else { return }
    // What was passed over may end in the middle of a line.
    if !wantsAll { start = LogText.lineStart(piece, before: piece.count, notBefore: start) }
    keep(piece, from: start)
  }

  /// Where each of the words begins: what may be looked for ahead, by another thread.
  static func places(in piece: UnsafeBufferPointer<UInt8>) -> [UInt32] {
    guard let base = piece.baseAddress else { return [] }
    var places: [UInt32] = []
    var place = clinux_find_kill(base, piece.count, 0)
    while place < piece.count {
      places.append(UInt32(place))
      place = clinux_find_kill(base, piece.count, place + 4)
    }
    return places
  }

  /// The log has ended: its last line may lack its end.
  mutating func end(wantsAll: Bool, line: (ArraySlice<UInt8>) -> Bool) {
    if !unfinished.isEmpty, !isTooLong, wantsAll || mayBegin(unfinished) { _ = line(unfinished[...]) }
    unfinished.removeAll()
    isTooLong = false
  }

  private mutating func keep(_ piece: UnsafeBufferPointer<UInt8>, from start: Int) {
    guard !isTooLong else { return }
    guard unfinished.count + piece.count - start <= LogText.lineBytesMax else {
      unfinished.removeAll(keepingCapacity: true)
      isTooLong = true
      return
    }
    unfinished += piece[start...]
  }

  private static func newline(_ piece: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard start < piece.count, let base = piece.baseAddress,
      let found = memchr(base + start, 0x0a, piece.count - start)
    else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }

  private static func lineStart(_ piece: UnsafeBufferPointer<UInt8>, before end: Int, notBefore start: Int) -> Int {
    guard end > start, let base = piece.baseAddress, let found = memrchr(base + start, 0x0a, end - start) else {
      return start
    }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base) + 1
  }

  private func mayBegin(_ line: [UInt8]) -> Bool {
    line.withUnsafeBufferPointer { piece in
      var words = Words(piece, isJSON: isJSON)
      return words.next(from: 0) != nil
    }
  }
}

/// Where `oom_`, `kill` and `Kill` are in a piece, from left to right; each is looked for once.
private struct Words {
  private let piece: UnsafeBufferPointer<UInt8>
  /// The places of words where they are known, and the first of them that was not passed.
  private let places: [UInt32]?
  private var nextPlace = 0
  /// The next place of a word, as far as it was looked for; the end where there is none.
  private var word = -1
  /// The same of a word's numbers; only JSON has them.
  private var oomNumbers: Int
  private var killNumbers: Int

  init(_ piece: UnsafeBufferPointer<UInt8>, places: [UInt32]? = nil, isJSON: Bool) {
    self.piece = piece
    self.places = places
    oomNumbers = isJSON ? -1 : piece.count
    killNumbers = oomNumbers
  }

  /// The first of them at or after `start`.
  mutating func next(from start: Int) -> Int? {
    if word < start { word = nextWord(from: start) }
    if oomNumbers < start { oomNumbers = place(of: "111,111,109,95", from: start) }
    if killNumbers < start { killNumbers = place(of: "105,108,108", from: start) }
    let first = min(word, oomNumbers, killNumbers)
    return first < piece.count ? first : nil
  }

  private mutating func nextWord(from start: Int) -> Int {
    guard let places else { return piece.baseAddress.map { clinux_find_kill($0, piece.count, start) } ?? piece.count }
    while nextPlace < places.count, places[nextPlace] < start { nextPlace += 1 }
    return nextPlace < places.count ? Int(places[nextPlace]) : piece.count
  }

  private func place(of numbers: StaticString, from start: Int) -> Int {
    guard start < piece.count, let base = piece.baseAddress,
      let found = memmem(base + start, piece.count - start, numbers.utf8Start, numbers.utf8CodeUnitCount)
    else { return piece.count }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }
}
