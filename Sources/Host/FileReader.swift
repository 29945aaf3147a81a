// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// Reads whole small files into one buffer that is used again.
///
/// Files of /proc and cgroupfs have no size to ask for, come in pieces and end at a read of 0 bytes; while the host is
/// out of memory nothing should be allocated for them. Source: proc(5), read(2).
package final class FileReader {
  /// Enough for each file of /proc and cgroupfs whose length no user decides.
  package static let smallFileLimitBytes = 64 * 1024

  private var buffer: [UInt8]

  package init() { buffer = [UInt8](repeating: 0, count: 8 * 1024) }

  /// The whole file, or nil where it is gone; a longer one than the limit is an error.
  ///
  /// Source: openat(2), read(2).
  package func contents(
    _ name: KernelName, in directory: borrowing Directory, limitBytes: Int = smallFileLimitBytes
  ) throws(HostError) -> FileContents? {
    guard let contents = try beginning(name, in: directory, limitBytes: limitBytes) else { return nil }
    if contents.isTruncated { throw .tooLarge(path: contents.path, limitBytes: limitBytes) }
    return contents
  }

  /// The whole file as it is now, from its beginning, without the cost of opening it again; nil where it is gone.
  ///
  /// Source: pread(2).
  func contents(
    of file: OpenFile, limitBytes: Int = smallFileLimitBytes
  ) throws(HostError) -> FileContents? {
    guard let contents = try read(file.descriptor, file.name, file.directory, limitBytes: limitBytes) else {
      return nil
    }
    if contents.isTruncated { throw .tooLarge(path: contents.path, limitBytes: limitBytes) }
    return contents
  }

  /// The first bytes of the file up to the limit, and whether there are more; nil where it is gone.
  ///
  /// Source: openat(2), read(2).
  package func beginning(
    _ name: KernelName, in directory: borrowing Directory, limitBytes: Int
  ) throws(HostError) -> FileContents? {
    guard let descriptor = try OpenFile.open(name, in: directory) else { return nil }
    defer { close(descriptor) }
    return try read(descriptor, name, directory.path, limitBytes: limitBytes)
  }

  /// All that comes from a descriptor that somebody else has opened, as standard input.
  ///
  /// - Parameter name: what errors call it.
  /// Source: read(2).
  package func contents(
    of descriptor: Int32, named name: String, limitBytes: Int
  ) throws(HostError) -> [UInt8] {
    switch fill(from: descriptor, limitBytes: limitBytes, isStream: true) {
    case .failure(let code): throw .system(operation: .read, path: KernelName(name), errno: code)
    case .value(let count):
      guard count <= limitBytes else { throw .tooLarge(path: KernelName(name), limitBytes: limitBytes) }
      return Array(buffer[..<count])
    }
  }

  private func read(
    _ descriptor: Int32, _ name: KernelName, _ directory: KernelName, limitBytes: Int
  ) throws(HostError) -> FileContents? {
    switch fill(from: descriptor, limitBytes: limitBytes) {
    case .failure(let code):
      if SystemCall.Outcome.isGone(code) { return nil }
      throw .system(operation: .read, path: directory.appending(name), errno: code)
    case .value(let count):
      return FileContents(
        directory: directory, name: name, bytes: buffer[..<min(count, limitBytes)], isTruncated: count > limitBytes)
    }
  }

  /// Reads to the end of the file, or to one byte past the limit. A pipe has no places: it is read as it comes.
  private func fill(from descriptor: Int32, limitBytes: Int, isStream: Bool = false) -> SystemCall.Outcome {
    var filled = 0
    var isStream = isStream
    while filled <= limitBytes {
      if filled == buffer.count { buffer.append(contentsOf: repeatElement(0, count: buffer.count)) }
      let wanted = min(buffer.count, limitBytes + 1) - filled
      let outcome = buffer.withUnsafeMutableBytes { bytes in
        SystemCall.retrying {
          isStream
            ? Glibc.read(descriptor, bytes.baseAddress! + filled, wanted)
            : pread(descriptor, bytes.baseAddress! + filled, wanted, off_t(filled))
        }
      }
      switch outcome {
      case .failure(ESPIPE) where !isStream: isStream = true
      case .failure: return outcome
      case .value(0): return .value(filled)
      case .value(let count): filled += count
      }
    }
    return .value(filled)
  }
}

/// A file that is read again and again, open from the first time on.
final class OpenFile {
  let descriptor: Int32
  let name: KernelName
  let directory: KernelName

  /// Nil where there is none of that name.
  ///
  /// Source: openat(2).
  init?(_ name: KernelName, in directory: borrowing Directory) throws(HostError) {
    guard let descriptor = try OpenFile.open(name, in: directory) else { return nil }
    self.descriptor = descriptor
    self.name = name
    self.directory = directory.path
  }

  deinit { close(descriptor) }

  fileprivate static func open(
    _ name: KernelName, in directory: borrowing Directory
  ) throws(HostError) -> Int32? {
    let parent = directory.descriptor
    let opened = name.withPath { name in
      SystemCall.retrying { Int(openat(parent, name, O_RDONLY | O_CLOEXEC)) }
    }
    switch opened {
    case nil: return nil
    case .value(let value): return Int32(value)
    case .failure(let code):
      if SystemCall.Outcome.isGone(code) { return nil }
      throw .system(operation: .open, path: directory.path.appending(name), errno: code)
    }
  }
}

/// The bytes of one file, with what an error about them needs.
///
/// Source: FileReader.
package struct FileContents {
  private let directory: KernelName
  private let name: KernelName
  package let bytes: ArraySlice<UInt8>
  /// The file goes on after the limit.
  package let isTruncated: Bool

  init(directory: KernelName, name: KernelName, bytes: ArraySlice<UInt8>, isTruncated: Bool) {
    self.directory = directory
    self.name = name
    self.bytes = bytes
    self.isTruncated = isTruncated
  }

  /// The file's whole path.
  package var path: KernelName { directory.appending(name) }

  /// The lines without their newlines; an unfinished last one counts.
  var lines: [ArraySlice<UInt8>] {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }

  /// The bytes without one newline at their end.
  var withoutNewline: ArraySlice<UInt8> { bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes }

  func malformed(line: Int, _ text: ArraySlice<UInt8>) -> HostError {
    .malformed(path: path, line: line, text: KernelName(bytes: Array(text.prefix(FileContents.quotedBytes))))
  }

  /// The line of this number, from 1.
  func malformed(line: Int) -> HostError {
    let lines = lines
    return malformed(line: line, lines.indices.contains(line - 1) ? lines[line - 1] : [])
  }

  /// The file as one decimal number.
  func number<Number: FixedWidthInteger>() throws(HostError) -> Number {
    guard let number: Number = Decimal.signed(withoutNewline) else { throw malformed(line: 1, withoutNewline) }
    return number
  }

  /// The number after `key` and a space, at the beginning of a line; nil where no line begins so.
  func number(after key: StaticString) throws(HostError) -> Int64? {
    for (index, line) in lines.enumerated() {
      guard let rest = line.dropping(key), rest.first == UInt8(ascii: " ") else { continue }
      guard let number: Int64 = Decimal.unsigned(rest.dropFirst()) else { throw malformed(line: index + 1, line) }
      return number
    }
    return nil
  }

  /// How much of a line an error holds.
  private static let quotedBytes = 200
}
