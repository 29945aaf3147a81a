// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Cuts a log that comes in pieces into lines, and passes over those that cannot be of an OOM report.
///
/// Only a line that holds `oom`, `kill` or `Kill` can begin one; so while nobody waits for lines, all others are passed
/// over sixteen bytes at a time. What is kept from piece to piece is one unfinished line, of bounded length.
struct LogText {
  /// Bytes of a line that is kept; of a longer one the rest is passed over. Kernel: a record has at most 1024 bytes, a
  /// JSON entry of the journal that holds one not 64 KiB.
  static let lineBytesMax = 64 * 1024

  private var unfinished: [UInt8] = []
  private var isTooLong = false

  /// Takes the next piece. `line` gets each line that is wanted, without its end, and says whether it wants the ones
  /// after it whatever they hold.
  mutating func take(
    _ piece: UnsafeBufferPointer<UInt8>, wantsAll: Bool, line: (ArraySlice<UInt8>) -> Bool
  ) {
    var wantsAll = wantsAll
    var start = 0
    if !unfinished.isEmpty || isTooLong {
      guard let end = LogText.newline(piece, from: 0) else { return keep(piece, from: 0) }
      if !isTooLong {
        keep(UnsafeBufferPointer(rebasing: piece[..<end]), from: 0)
        if !isTooLong, wantsAll || LogText.mayBegin(unfinished) { wantsAll = line(unfinished[...]) }
      }
      unfinished.removeAll(keepingCapacity: true)
      isTooLong = false
      start = end + 1
    }
    while start < piece.count {
      if !wantsAll {
        guard let place = LogText.hit(piece, from: start) else { break }
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

  /// The log has ended: its last line may lack its end.
  mutating func end(wantsAll: Bool, line: (ArraySlice<UInt8>) -> Bool) {
    if !unfinished.isEmpty, !isTooLong, wantsAll || LogText.mayBegin(unfinished) { _ = line(unfinished[...]) }
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

  private static func mayBegin(_ line: [UInt8]) -> Bool {
    line.withUnsafeBufferPointer { hit($0, from: 0) != nil }
  }

  private static func newline(_ piece: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard start < piece.count, let base = piece.baseAddress,
      let found = memchr(base + start, 0x0a, piece.count - start)
    else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }

  private static func lineStart(_ piece: UnsafeBufferPointer<UInt8>, before end: Int, notBefore start: Int) -> Int {
    var index = end
    while index > start, piece[index - 1] != 0x0a { index -= 1 }
    return index
  }

  // MARK: What may begin a report

  /// The next place of `oom`, `kill` or `Kill`; a little before it where the last bytes are not sixteen.
  private static func hit(_ piece: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard let base = piece.baseAddress else { return nil }
    let bytes = UnsafeRawPointer(base)
    var index = start
    let last = piece.count - 18
    while index <= last {
      let first = bytes.loadUnaligned(fromByteOffset: index, as: SIMD16<UInt8>.self)
      let second = bytes.loadUnaligned(fromByteOffset: index + 1, as: SIMD16<UInt8>.self)
      let third = bytes.loadUnaligned(fromByteOffset: index + 2, as: SIMD16<UInt8>.self)
      let oom = (first .== UInt8(ascii: "o")) .& (second .== UInt8(ascii: "o")) .& (third .== UInt8(ascii: "m"))
      let ill = (first .== UInt8(ascii: "i")) .& (second .== UInt8(ascii: "l")) .& (third .== UInt8(ascii: "l"))
      if isAny(oom .| ill), let place = exactHit(piece, from: index, to: index + 16) { return place }
      index += 16
    }
    return exactHit(piece, from: max(start, index), to: piece.count)
  }

  private static func isAny(_ mask: SIMDMask<SIMD16<Int8>>) -> Bool {
    let halves = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
    return halves.x | halves.y != 0
  }

  private static func exactHit(_ piece: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) -> Int? {
    for index in start..<end where index + 2 < piece.count {
      switch (piece[index], piece[index + 1], piece[index + 2]) {
      case (UInt8(ascii: "o"), UInt8(ascii: "o"), UInt8(ascii: "m")): return index
      case (UInt8(ascii: "i"), UInt8(ascii: "l"), UInt8(ascii: "l")):
        guard index > 0, piece[index - 1] | 0x20 == UInt8(ascii: "k") else { continue }
        return index
      default: continue
      }
    }
    return nil
  }
}
