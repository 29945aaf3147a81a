// SPDX-License-Identifier: Apache-2.0

/// Cuts pieces of a text into its lines, which may lie across them, so that a file larger than memory can be imported. No I/O.
///
/// Source: docs/history.md, `history import`.
package struct LineSplitter {
  /// Of a longer one so many bytes and one more are given, so that it is seen to be too long; the rest is passed over.
  private let lineBytesMax: Int
  private var begun: [UInt8] = []
  private var number = 0

  package init(lineBytesMax: Int) { self.lineBytesMax = lineBytesMax }

  /// Tells each line that ends in this piece, without its newline, and its number from 1.
  package mutating func take(_ piece: ArraySlice<UInt8>, _ tell: (ArraySlice<UInt8>, Int) -> Void) {
    var rest = piece
    while let end = rest.firstIndex(of: 0x0a) {
      number += 1
      if begun.isEmpty, end - rest.startIndex <= lineBytesMax {
        tell(rest[..<end], number)
      } else {
        keep(rest[..<end])
        tell(begun[...], number)
        begun.removeAll(keepingCapacity: true)
      }
      rest = rest[(end + 1)...]
    }
    keep(rest)
  }

  /// Tells what follows the last newline.
  package mutating func end(_ tell: (ArraySlice<UInt8>, Int) -> Void) {
    guard !begun.isEmpty else { return }
    tell(begun[...], number + 1)
    begun = []
  }

  private mutating func keep(_ bytes: ArraySlice<UInt8>) {
    begun += bytes.prefix(max(0, lineBytesMax + 1 - begun.count))
  }
}
