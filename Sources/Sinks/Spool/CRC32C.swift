// SPDX-License-Identifier: Apache-2.0

/// The checksum of records on disk: CRC-32C (Castagnoli). Source: RFC 3720, B.4.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
  }

  /// Of more than one piece: pass what the pieces before gave.
  static func value(_ bytes: UnsafeRawBufferPointer, after previous: UInt32 = 0) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      var value = ~previous
      for byte in bytes { value = table[Int((value ^ UInt32(byte)) & 0xff)] ^ value >> 8 }
      return ~value
    }
  }

  static func value(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { value($0) } }
}
