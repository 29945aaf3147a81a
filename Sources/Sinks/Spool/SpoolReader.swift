// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Reads the spool from a number on, in pieces. What is damaged is passed over: the number after it says how much is missing.
///
/// A segment that is dropped meanwhile is read to its end.
final class SpoolReader {
  static let pieceBytes = 256 * 1024

  private let spool: Spool
  private var segment: UInt64?
  /// Those that a record of this segment can have: from its name to the next one's.
  private var numbers: ClosedRange<UInt64> = 1...SpoolFrame.numberMax
  private var descriptor: Int32 = -1
  private var offset: Int64 = 0
  /// Number of the last record that was handed out, or passed over.
  private(set) var position: UInt64
  /// Pieces of bytes that were no record.
  private(set) var damagedPieces: Int64 = 0
  /// The last read ended in bytes that are no record.
  private(set) var endsInDamage = false

  init(_ spool: Spool, after number: UInt64) {
    self.spool = spool
    position = number
  }

  deinit { closeSegment() }

  /// Records after this number: as many as a piece holds, one at least where there is one.
  func lines(after number: UInt64) -> [DeliveredLine] {
    if number != position || segment == nil {
      position = number
      open(spool.segments.last { $0.first <= number + 1 } ?? spool.segments.first)
    }
    var lines: [DeliveredLine] = []
    while lines.isEmpty, segment != nil {
      if read(into: &lines) { continue }
      guard let next = spool.segments.first(where: { $0.first > segment! }) else { break }
      open(next)
    }
    return lines
  }

  private func open(_ next: SpoolSegment?) {
    closeSegment()
    guard let next else { return }
    segment = next.first
    let following = spool.segments.first { $0.first > next.first }?.first
    numbers = next.first...(following.map { $0 - 1 } ?? SpoolFrame.numberMax)
    descriptor = openat(spool.folder, next.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    offset = Int64(SpoolSegment.headerBytes)
  }

  private func closeSegment() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    segment = nil
  }

  /// One piece of this segment; false where nothing more is in it.
  private func read(into lines: inout [DeliveredLine]) -> Bool {
    var bytes = piece(SpoolReader.pieceBytes)
    guard !bytes.isEmpty else { return false }
    var isWhole = bytes.count < SpoolReader.pieceBytes
    var place = 0
    var wasDamaged = false
    while place < bytes.count {
      switch SpoolFrame.found(at: place, in: bytes) {
      case .record(let number, let payload) where numbers.contains(number):
        if number > position {
          lines.append(DeliveredLine(number: number, bytes: Array(bytes[payload])))
          position = number
        }
        place = payload.upperBound
        wasDamaged = false
        continue
      case .incomplete(let end) where !isWhole:
        if place > 0, !lines.isEmpty || end - place <= SpoolReader.pieceBytes {
          // The rest of it comes with the next piece.
          offset += Int64(place)
          endsInDamage = false
          return true
        }
        bytes = piece(end)
        isWhole = bytes.count < end
        continue
      case .record, .incomplete, .damaged: break
      }
      if !wasDamaged { damagedPieces += 1 }
      wasDamaged = true
      place = SpoolFrame.nextMarker(from: place + 1, in: bytes)
    }
    offset += Int64(place)
    endsInDamage = wasDamaged
    return true
  }

  private func piece(_ count: Int) -> [UInt8] {
    guard descriptor >= 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset + Int64(filled)))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        filled += got
      }
    }
  }
}
