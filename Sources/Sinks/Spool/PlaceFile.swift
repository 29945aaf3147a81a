// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How far each destination came, in a file that is whole or the one before: `places`, written anew and renamed.
struct PlaceFile {
  private static let name = "places"
  private static let draft = "places.new"
  private static let head = "oomwitness places 1"
  private static let bytesMax = 1 << 20

  /// By the name of a destination: number of the last line that it has.
  var places: [String: UInt64] = [:]
  /// The last number that was given to a line.
  var last: UInt64 = 0

  enum Reading {
    case places(PlaceFile)
    case none
    /// It is not what was written.
    case damaged
  }

  static func read(_ folder: Int32) -> Reading {
    let descriptor = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return errno == ENOENT ? .none : .damaged }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= bytesMax {
      let count = Glibc.read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += piece[..<count]
    }
    return parse(bytes).map { .places($0) } ?? .damaged
  }

  /// 0, or why it could not be written.
  func write(_ folder: Int32) -> Int32 {
    let descriptor = openat(folder, PlaceFile.draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    let bytes = text
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return errno }
      written += count
    }
    guard fdatasync(descriptor) == 0 else { return errno }
    return renameat(folder, PlaceFile.draft, folder, PlaceFile.name) == 0 ? 0 : errno
  }

  var text: [UInt8] {
    var lines = [PlaceFile.head, "last \(last)"]
    for (name, number) in places.sorted(by: { $0.key < $1.key }) { lines.append("place \(number) \(name)") }
    let body = Array((lines.joined(separator: "\n") + "\n").utf8)
    return body + Array("sum \(CRC32C.value(body))\n".utf8)
  }

  static func parse(_ bytes: [UInt8]) -> PlaceFile? {
    guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else { return nil }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    guard let sum = lines.popLast(), sum.hasPrefix("sum "), lines.first == Substring(head) else { return nil }
    let body = Array((lines.joined(separator: "\n") + "\n").utf8)
    guard UInt32(sum.dropFirst(4)) == CRC32C.value(body) else { return nil }
    var file = PlaceFile()
    for line in lines.dropFirst() {
      let words = line.split(separator: " ", maxSplits: 2)
      guard words.count >= 2, let number = UInt64(words[1]), number <= SpoolFrame.numberMax else { return nil }
      switch (words[0], words.count) {
      case ("last", 2): file.last = number
      case ("place", 3): file.places[String(words[2])] = number
      default: return nil
      }
    }
    return file
  }
}
