// SPDX-License-Identifier: Apache-2.0

/// One record of the spool: a marker, the payload's length, its number, a checksum of all these but the marker, the payload.
///
/// Numbers are little-endian. The marker holds bytes that no UTF-8 has, so that after damage the next record is found and
/// a payload is never taken for one.
enum SpoolFrame {
  static let marker: [UInt8] = [0xfe, 0x4f, 0x57, 0xff]
  static let headerBytes = 20
  /// Of one payload: more is no record.
  static let payloadBytesMax = 4 << 20
  /// The last number that a line can have: whatever a file claims, one can be added to it, and the distance of two be counted.
  static let numberMax: UInt64 = 1 << 62

  enum Found {
    case record(number: UInt64, payload: Range<Int>)
    /// It would end beyond the bytes that are there: at which place.
    case incomplete(endsAt: Int)
    case damaged
  }

  static func append(_ payload: [UInt8], number: UInt64, to bytes: inout [UInt8]) {
    bytes += marker
    let begin = bytes.count
    withUnsafeBytes(of: UInt32(payload.count).littleEndian) { bytes += $0 }
    withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    let head = bytes.withUnsafeBytes { CRC32C.value(UnsafeRawBufferPointer(rebasing: $0[begin...])) }
    let sum = payload.withUnsafeBytes { CRC32C.value($0, after: head) }
    withUnsafeBytes(of: sum.littleEndian) { bytes += $0 }
    bytes += payload
  }

  /// What is at this place; it is within the bytes.
  static func found(at place: Int, in bytes: [UInt8]) -> Found {
    bytes.withUnsafeBytes { bytes in
      let left = bytes.count - place
      for (index, byte) in marker.enumerated() where index < left && bytes[place + index] != byte { return .damaged }
      guard left >= headerBytes else { return .incomplete(endsAt: place + headerBytes) }
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self)))
      guard length <= payloadBytesMax else { return .damaged }
      let payload = place + headerBytes..<place + headerBytes + length
      guard payload.upperBound <= bytes.count else { return .incomplete(endsAt: payload.upperBound) }
      let head = CRC32C.value(UnsafeRawBufferPointer(rebasing: bytes[place + 4..<place + 16]))
      let sum = CRC32C.value(UnsafeRawBufferPointer(rebasing: bytes[payload]), after: head)
      guard sum == UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place + 16, as: UInt32.self)) else {
        return .damaged
      }
      let number = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self))
      return .record(number: number, payload: payload)
    }
  }

  /// Where the next record may begin, from this place on; the count where none does.
  static func nextMarker(from place: Int, in bytes: [UInt8]) -> Int {
    bytes.withUnsafeBufferPointer { bytes in
      var place = place
      while place < bytes.count, bytes[place] != marker[0] { place += 1 }
      return min(place, bytes.count)
    }
  }
}
