// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// A file of lines that outlives us: each is on disk before the call returns, and one process at a time has it.
///
/// A last line without its end was cut while it was written, and is dropped before the next. Source: flock(2), fsync(2).
package final class LineFile {
  /// Mode of the file: root's alone.
  private static let mode: mode_t = 0o600
  /// Below are standard input, output and error.
  private static let ownDescriptorMin: Int32 = 3
  /// A longer file is not one of ours.
  package static let limitBytes = 64 * 1024 * 1024

  private let path: KernelName
  private var descriptor: Int32

  /// Opens it and waits until it is ours alone; makes it, and the folder that it is in, where they are not there.
  ///
  /// - Throws: `HostError.system` of `make`, `open` or `lock`.
  package init(path: String) throws(HostError) {
    self.path = KernelName(path)
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try LineFile.makeFolder(String(path[..<slash])) }
    descriptor = -1
    // The file may be replaced by another one while we wait for it: then the lock is on a file that nobody reads.
    repeat {
      if descriptor >= 0 { close(descriptor) }
      descriptor = -1
      descriptor = try LineFile.locked(self.path)
    } while !isStillThere
  }

  private static func makeFolder(_ path: String) throws(HostError) {
    let outcome = SystemCall.retrying { Int(mkdir(path, 0o755)) }
    if case .failure(let code) = outcome, code != EEXIST {
      throw .system(operation: .make, path: KernelName(path), errno: code)
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  private static func locked(_ path: KernelName) throws(HostError) -> Int32 {
    let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_APPEND
    let opened = path.withPath { path in SystemCall.retrying { Int(open(path, flags, mode)) } } ?? .failure(ENOENT)
    guard case .value(let value) = opened else { throw failure(opened, .open, path) }
    let descriptor = aboveStandardError(Int32(value))
    let outcome = SystemCall.retrying { Int(flock(descriptor, LOCK_EX)) }
    guard case .value = outcome else {
      close(descriptor)
      throw failure(outcome, .lock, path)
    }
    return descriptor
  }

  /// Where standard output or standard error was closed, a file that is opened gets its number, and then what is said there
  /// would go into the file.
  private static func aboveStandardError(_ descriptor: Int32) -> Int32 {
    guard descriptor < ownDescriptorMin else { return descriptor }
    let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, ownDescriptorMin)
    guard moved >= 0 else { return descriptor }
    close(descriptor)
    return moved
  }

  private var isStillThere: Bool {
    var (ours, named) = (stat(), stat())
    guard fstat(descriptor, &ours) == 0 else { return false }
    let outcome = path.withPath { path in stat(path, &named) }
    return outcome == 0 && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev
  }

  /// All whole lines, without their ends.
  package func lines() throws(HostError) -> [ArraySlice<UInt8>] {
    let bytes = try contents()
    let lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
    return lines.dropLast().filter { !$0.isEmpty }
  }

  private func contents() throws(HostError) -> [UInt8] {
    let size = try self.size()
    guard size <= LineFile.limitBytes else { throw .tooLarge(path: path, limitBytes: LineFile.limitBytes) }
    var bytes = [UInt8](repeating: 0, count: size)
    var filled = 0
    while filled < size {
      let outcome = bytes.withUnsafeMutableBytes { bytes in
        SystemCall.retrying { pread(descriptor, bytes.baseAddress! + filled, size - filled, off_t(filled)) }
      }
      guard case .value(let count) = outcome else { throw LineFile.failure(outcome, .read, path) }
      if count == 0 { break }
      filled += count
    }
    return Array(bytes[..<filled])
  }

  /// Writes one line, `\n` included, to the end and to the disk.
  ///
  /// - Returns: where it begins, for `takeBack(to:)`.
  package func append(_ line: [UInt8]) throws(HostError) -> Int {
    try dropTornLine()
    let begin = try size()
    try write(line, to: descriptor)
    try sync(descriptor)
    return begin
  }

  /// Drops all from there: a line whose promise was not kept.
  package func takeBack(to offset: Int) throws(HostError) {
    let outcome = SystemCall.retrying { Int(ftruncate(descriptor, off_t(offset))) }
    guard case .value = outcome else { throw LineFile.failure(outcome, .write, path) }
    try sync(descriptor)
  }

  /// Puts other lines in place of all, at once: who looks sees the old or the new.
  package func replace(with lines: [[UInt8]]) throws(HostError) {
    if lines.isEmpty { return try takeBack(to: 0) }
    let new = path.appendingText(".new")
    _ = new.withPath { unlink($0) }
    let replacement = try LineFile.locked(new)
    do throws(HostError) {
      try write(Array(lines.joined()), to: replacement)
      try sync(replacement)
      let outcome = new.withPath { new in path.withPath { path in SystemCall.retrying { Int(rename(new, path)) } } }
      guard case .value?? = outcome else {
        throw LineFile.failure(outcome.flatMap { $0 } ?? .failure(EINVAL), .write, path)
      }
    } catch {
      close(replacement)
      _ = new.withPath { unlink($0) }
      throw error
    }
    // The old one stays locked until the new one has its name: nobody may write to it meanwhile.
    close(descriptor)
    descriptor = replacement
  }

  /// Whether it is empty or begins so; one that was cut within these bytes does too.
  package func begins(with bytes: [UInt8]) throws(HostError) -> Bool {
    var found = [UInt8](repeating: 0, count: bytes.count)
    let outcome = SystemCall.retrying { pread(descriptor, &found, found.count, 0) }
    guard case .value(let count) = outcome else { throw LineFile.failure(outcome, .read, path) }
    return bytes.starts(with: found[..<count])
  }

  private func dropTornLine() throws(HostError) {
    let size = try self.size()
    guard size > 0 else { return }
    var last: UInt8 = 0
    guard pread(descriptor, &last, 1, off_t(size - 1)) == 1, last != 0x0a else { return }
    try takeBack(to: (try contents().lastIndex(of: 0x0a) ?? -1) + 1)
  }

  /// In bytes.
  package func size() throws(HostError) -> Int {
    var status = stat()
    let outcome = SystemCall.retrying { Int(fstat(descriptor, &status)) }
    guard case .value = outcome else { throw LineFile.failure(outcome, .stat, path) }
    return Int(status.st_size)
  }

  private func write(_ bytes: [UInt8], to descriptor: Int32) throws(HostError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let outcome = rest.withUnsafeBytes { bytes in
        SystemCall.retrying { Glibc.write(descriptor, bytes.baseAddress!, bytes.count) }
      }
      guard case .value(let count) = outcome else { throw LineFile.failure(outcome, .write, path) }
      rest = rest.dropFirst(count)
    }
  }

  private func sync(_ descriptor: Int32) throws(HostError) {
    let outcome = SystemCall.retrying { Int(fsync(descriptor)) }
    guard case .value = outcome else { throw LineFile.failure(outcome, .write, path) }
  }

  private static func failure(
    _ outcome: SystemCall.Outcome, _ operation: HostError.Operation, _ path: KernelName
  ) -> HostError {
    guard case .failure(let code) = outcome else { return .system(operation: operation, path: path, errno: EIO) }
    return .system(operation: operation, path: path, errno: code)
  }
}

extension KernelName {
  fileprivate func appendingText(_ text: String) -> KernelName { KernelName(bytes: bytes + Array(text.utf8)) }
}
