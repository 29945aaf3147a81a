// SPDX-License-Identifier: Apache-2.0

/// A name as the kernel holds it: bytes without NUL, in no promised encoding.
///
/// `comm` is set by prctl(2) and cgroup names by mkdir(2), so each may hold quotes, escapes or broken UTF-8.
/// Kernel: include/linux/sched.h, task_struct.comm; fs/kernfs/dir.c.
package struct KernelName: Hashable, Sendable {
  /// The bytes, without the terminating NUL.
  package let bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }
  package init(_ text: String) { bytes = Array(text.utf8) }

  /// Whether it is printable ASCII alone, as nearly all names are: text that needs no second look.
  package var isPlainASCII: Bool {
    for byte in bytes where byte < 0x20 || byte >= 0x7f { return false }
    return true
  }

  /// The name as text: valid UTF-8 always, U+FFFD for each byte sequence that is not.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Whether `text` holds every byte, so that `hex` is not needed beside it.
  package var isValidUTF8: Bool { String(validating: bytes, as: UTF8.self) != nil }

  /// The bytes that `hex` has written; nil for anything else.
  package init?(hex: String) {
    let digits = Array(hex.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for place in stride(from: 0, to: digits.count, by: 2) {
      guard let high = KernelName.value(digits[place]), let low = KernelName.value(digits[place + 1]) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    self.init(bytes: bytes)
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x61...0x66: digit - 0x61 + 10
    case 0x41...0x46: digit - 0x41 + 10
    default: nil
    }
  }

  /// All bytes, two lower-case hexadecimal digits each.
  package var hex: String {
    var digits: [UInt8] = []
    digits.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      digits.append(JSONWriter.hexDigits[Int(byte >> 4)])
      digits.append(JSONWriter.hexDigits[Int(byte & 15)])
    }
    return String(decoding: digits, as: UTF8.self)
  }
}
