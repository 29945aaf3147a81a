// SPDX-License-Identifier: Apache-2.0

/// Finds its way in the text of kernel files where it lies, without a byte on the heap.
extension GuardFiles {
  /// The bytes without one `last` at their end.
  static func trimmed(_ text: UnsafeRawBufferPointer, last: UInt8) -> UnsafeRawBufferPointer {
    text.last == last ? UnsafeRawBufferPointer(rebasing: text.dropLast()) : text
  }

  /// A file that is one number.
  static func number(_ text: UnsafeRawBufferPointer) -> Int64? { word(0, of: text[...]) }

  /// The number that is the `index`th word, from 0; nil where that is no number or does not fit.
  static func word(_ index: Int, of text: Slice<UnsafeRawBufferPointer>) -> Int64? {
    var (place, left) = (text.startIndex, index)
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0a }
    while true {
      while place < text.endIndex, isBlank(text[place]) { place += 1 }
      if left == 0 { break }
      while place < text.endIndex, !isBlank(text[place]) { place += 1 }
      guard place < text.endIndex else { return nil }
      left -= 1
    }
    let isNegative = place < text.endIndex && text[place] == 0x2d
    if isNegative { place += 1 }
    var (value, hasDigits): (Int64, Bool) = (0, false)
    while place < text.endIndex, !isBlank(text[place]) {
      let digit = text[place] &- 0x30
      let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
      let (sum, carried) = product.addingReportingOverflow(Int64(digit))
      guard digit <= 9, !overflowed, !carried else { return nil }
      (value, hasDigits) = (sum, true)
      place += 1
    }
    return hasDigits ? (isNegative ? -value : value) : nil
  }

  /// The number after `key` and blanks at the beginning of a line, as in /proc/meminfo and memory.stat.
  static func value(_ key: StaticString, in text: UnsafeRawBufferPointer) -> Int64? {
    var place = 0
    while place < text.count {
      let line = UnsafeRawBufferPointer(rebasing: text[place...])
      if begins(line, key) { return word(0, of: text[(place + key.utf8CodeUnitCount)...]) }
      guard let end = line.firstIndex(of: 0x0a) else { return nil }
      place += end + 1
    }
    return nil
  }

  /// `avg10=12.34` of the line that begins with `key`, in hundredths.
  static func average10(_ key: StaticString, in text: UnsafeRawBufferPointer) -> Int64? {
    var place = 0
    while place < text.count {
      let line = UnsafeRawBufferPointer(rebasing: text[place...])
      if begins(line, key) { return hundredths(UnsafeRawBufferPointer(rebasing: line[key.utf8CodeUnitCount...])) }
      guard let end = line.firstIndex(of: 0x0a) else { return nil }
      place += end + 1
    }
    return nil
  }

  private static func hundredths(_ text: UnsafeRawBufferPointer) -> Int64? {
    let prefix: StaticString = "avg10="
    guard begins(text, prefix) else { return nil }
    var (value, place, digits): (Int64, Int, Int) = (0, prefix.utf8CodeUnitCount, -1)
    while place < text.count, digits < 2, value < 1 << 32 {
      let byte = text[place]
      if byte == 0x2e, digits < 0 {
        digits = 0
      } else if byte >= 0x30, byte <= 0x39 {
        value = value * 10 + Int64(byte - 0x30)
        if digits >= 0 { digits += 1 }
      } else {
        return nil
      }
      place += 1
    }
    return digits == 2 ? value : nil
  }

  static func begins(_ text: UnsafeRawBufferPointer, _ key: StaticString) -> Bool {
    guard text.count >= key.utf8CodeUnitCount else { return false }
    for index in 0..<key.utf8CodeUnitCount where text[index] != key.utf8Start[index] { return false }
    return true
  }

  /// Of /proc/PID/cgroup the path of the line that names `memory`, else that of hierarchy 0.
  static func memoryGroup(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var unified: UnsafeRawBufferPointer?
    var place = 0
    while place < text.count {
      let rest = UnsafeRawBufferPointer(rebasing: text[place...])
      let line = UnsafeRawBufferPointer(rebasing: rest.prefix { $0 != 0x0a })
      place += line.count + 1
      guard let first = line.firstIndex(of: 0x3a), let second = line[(first + 1)...].firstIndex(of: 0x3a) else {
        continue
      }
      let path = UnsafeRawBufferPointer(rebasing: line[(second + 1)...])
      if first == 1, line[0] == 0x30, second == first + 1 { unified = path }
      if names(line[(first + 1)..<second], "memory") { return path }
    }
    return unified
  }

  /// Whether a list with commas has this word.
  private static func names(_ list: Slice<UnsafeRawBufferPointer>, _ word: StaticString) -> Bool {
    var place = list.startIndex
    while place < list.endIndex {
      let end = list[place...].firstIndex(of: 0x2c) ?? list.endIndex
      if end - place == word.utf8CodeUnitCount, begins(UnsafeRawBufferPointer(rebasing: list[place..<end]), word) {
        return true
      }
      place = end + 1
    }
    return false
  }

  /// The first component below the slices, where that has a type; as Events' SystemdUnit names it.
  static func unit(_ path: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var place = 0
    while let component = component(of: path, from: &place) {
      guard let dot = component.lastIndex(of: 0x2e), dot > 0 else { return nil }
      let type = UnsafeRawBufferPointer(rebasing: component[dot...])
      let isSlice = type.count == 6 && begins(type, ".slice")
      if !isSlice { return component }
    }
    return nil
  }

  /// The innermost run of 64 hexadecimal digits: how the engines name a container's group.
  static func container(_ path: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var found: UnsafeRawBufferPointer?
    var (start, place) = (0, 0)
    while place <= path.count {
      let isHex =
        place < path.count && ((0x30...0x39).contains(path[place]) || (0x61...0x66).contains(path[place]))
      if !isHex {
        if place - start == 64 { found = UnsafeRawBufferPointer(rebasing: path[start..<place]) }
        start = place + 1
      }
      place += 1
    }
    return found
  }

  private static func component(of path: UnsafeRawBufferPointer, from place: inout Int) -> UnsafeRawBufferPointer? {
    while place < path.count, path[place] == 0x2f { place += 1 }
    guard place < path.count else { return nil }
    let start = place
    while place < path.count, path[place] != 0x2f { place += 1 }
    return UnsafeRawBufferPointer(rebasing: path[start..<place])
  }
}
