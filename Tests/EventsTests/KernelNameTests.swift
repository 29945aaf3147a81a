// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@Suite struct KernelNameTests {
  struct Row: Sendable {
    var bytes: [UInt8]
    var text: String
    var hex: String
    var isValid: Bool
  }

  @Test(
    "bytes become valid text, and hexadecimal digits hold what the text cannot",
    arguments: [
      Row(bytes: [], text: "", hex: "", isValid: true),
      Row(bytes: Array("python3".utf8), text: "python3", hex: "707974686f6e33", isValid: true),
      Row(bytes: [0x20, 0x0a, 0x00, 0x7f], text: " \n\u{0}\u{7f}", hex: "200a007f", isValid: true),
      Row(bytes: [0xc3, 0xbc], text: "ü", hex: "c3bc", isValid: true),
      Row(bytes: [0xf0, 0x9f, 0x92, 0x80], text: "\u{1f480}", hex: "f09f9280", isValid: true),
      Row(bytes: [0xef, 0xbf, 0xbd], text: "\u{fffd}", hex: "efbfbd", isValid: true),
      // A comm of 15 bytes that was cut in the middle of a letter.
      Row(bytes: [0x61, 0xe8, 0xa8], text: "a\u{fffd}", hex: "61e8a8", isValid: false),
      Row(bytes: [0xff, 0xfe, 0x1b], text: "\u{fffd}\u{fffd}\u{1b}", hex: "fffe1b", isValid: false),
      Row(bytes: [0x80, 0x61], text: "\u{fffd}a", hex: "8061", isValid: false),
      // Overlong "/", half of a surrogate pair, beyond U+10FFFF: one mark for each byte.
      Row(bytes: [0xc0, 0xaf], text: "\u{fffd}\u{fffd}", hex: "c0af", isValid: false),
      Row(bytes: [0xed, 0xa0, 0x80], text: "\u{fffd}\u{fffd}\u{fffd}", hex: "eda080", isValid: false),
      Row(bytes: [0xf4, 0x90, 0x80, 0x80], text: "\u{fffd}\u{fffd}\u{fffd}\u{fffd}", hex: "f4908080", isValid: false),
    ])
  func names(row: Row) {
    let name = KernelName(bytes: row.bytes)
    #expect(name.text == row.text)
    #expect(name.hex == row.hex)
    #expect(name.isValidUTF8 == row.isValid)
    #expect(name.bytes == row.bytes)
  }

  @Test("names are equal by their bytes, not by how they look")
  func equality() {
    #expect(KernelName("hog") == KernelName(bytes: [0x68, 0x6f, 0x67]))
    #expect(KernelName(bytes: [0xff]) != KernelName(bytes: [0xfe]))
    #expect(KernelName("\u{e9}") != KernelName("e\u{301}"))
  }

  static let comms: [(UInt64, UInt64, String)] = [
    (UInt64(0), UInt64(0), ""),
    (0x67_6f68, 0, "hog"),
    (0x6c69_7665_0067_6f68, 0x6c69_7665, "hog"),
    (0x3736_3534_3332_3130, 0, "01234567"),
    (0x3736_3534_3332_3130, 0x0065_6463_6261_3938, "0123456789abcde"),
    (0x3736_3534_3332_3130, 0x6665_6463_6261_3938, "0123456789abcdef"),
  ]

  @Test("a comm ends at its first NUL, and may fill all 16 bytes", arguments: comms)
  func comm(low: UInt64, high: UInt64, text: String) {
    #expect(Comm(low: low, high: high).name == KernelName(text))
  }
}
