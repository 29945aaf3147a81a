// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// An open directory under which files are read by name, closed at the end of its life.
///
/// A descriptor of /proc/PID stays with its process: once that is gone each read says ESRCH, and no other process that
/// got the same pid can be mistaken for it. Kernel: fs/proc/base.c, get_proc_task().
package struct Directory: ~Copyable {
  let descriptor: Int32
  /// For errors.
  package let path: KernelName

  private init(descriptor: Int32, path: KernelName) {
    self.descriptor = descriptor
    self.path = path
  }

  /// Opens a directory by its whole path; here a missing one is an error, since nothing can be read without it.
  ///
  /// Source: open(2).
  package init(path: String) throws(HostError) { try self.init(path: KernelName(path)) }

  /// As `init(path: String)`, for a path in any encoding.
  ///
  /// Source: open(2).
  package init(path: KernelName) throws(HostError) {
    switch Directory.open(path, under: AT_FDCWD) {
    case .value(let descriptor): self.init(descriptor: Int32(descriptor), path: path)
    case .failure(let code): throw .system(operation: .open, path: path, errno: code)
    }
  }

  deinit { close(descriptor) }

  /// The directory of that name below, or nil where it is gone.
  ///
  /// Source: openat(2).
  package func directory(_ name: KernelName) throws(HostError) -> Directory? {
    switch Directory.open(name, under: descriptor) {
    case .value(let opened): return Directory(descriptor: Int32(opened), path: path.appending(name))
    case .failure(let code):
      if SystemCall.Outcome.isGone(code) { return nil }
      throw .system(operation: .open, path: path.appending(name), errno: code)
    }
  }

  /// The number of its inode, in cgroupfs the group's kernfs id; and whether it may have directories below, which file
  /// systems that count none of them do not tell.
  ///
  /// Source: fstat(2). Kernel: fs/kernfs/inode.c, kernfs_refresh_inode(): two links, and one for each directory below.
  func inode() -> (number: UInt64, mayHaveDirectories: Bool)? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    return (UInt64(status.st_ino), status.st_nlink != 2)
  }

  /// Whether there is something of that name.
  ///
  /// Source: faccessat(2).
  func has(_ name: KernelName) throws(HostError) -> Bool {
    switch name.withPath({ name in SystemCall.retrying { Int(faccessat(descriptor, name, F_OK, 0)) } })
      ?? .failure(ENOENT)
    {
    case .value: return true
    case .failure(let code):
      if SystemCall.Outcome.isGone(code) { return false }
      throw .system(operation: .stat, path: path.appending(name), errno: code)
    }
  }

  /// What a symbolic link says, or nil where it is gone. At most PATH_MAX bytes: the kernel itself refuses longer ones.
  ///
  /// Source: readlinkat(2).
  package func link(_ name: KernelName) throws(HostError) -> KernelName? {
    var target = [UInt8](repeating: 0, count: Directory.linkLimitBytes)
    let outcome = target.withUnsafeMutableBytes { buffer in
      name.withPath { name in
        SystemCall.retrying {
          readlinkat(descriptor, name, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
        }
      }
    }
    switch outcome {
    case nil: return nil
    case .value(let count): return KernelName(bytes: Array(target[..<count]))
    case .failure(let code):
      if SystemCall.Outcome.isGone(code) { return nil }
      throw .system(operation: .readlink, path: path.appending(name), errno: code)
    }
  }

  /// The names below that are whole decimal numbers: under /proc, the processes.
  ///
  /// Source: readdir(3).
  package func numericNames() throws(HostError) -> [Int32] {
    var numbers: [Int32] = []
    try forEachEntry { _, name in
      if let number: Int32 = Decimal.unsigned(name) { numbers.append(number) }
    }
    return numbers
  }

  /// The names below that end so, in no promised order.
  ///
  /// Source: readdir(3).
  package func names(ending suffix: String) throws(HostError) -> [KernelName] {
    var names: [KernelName] = []
    try forEachEntry { _, name in
      if name.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) { names.append(KernelName(bytes: Array(name))) }
    }
    return names
  }

  private func forEachEntry(_ body: (dirent, UnsafeRawBufferPointer) -> Void) throws(HostError) {
    let opened: Int32
    switch Directory.open(KernelName("."), under: descriptor) {
    case .value(let value): opened = Int32(value)
    case .failure(let code): throw .system(operation: .list, path: path, errno: code)
    }
    guard let stream = fdopendir(opened) else {
      let code = errno
      close(opened)
      throw .system(operation: .list, path: path, errno: code)
    }
    defer { closedir(stream) }
    let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name)!
    for _ in 0..<Directory.entryLimit {
      errno = 0
      guard let entry = readdir(stream) else {
        let code = errno
        if code == 0 { return }
        throw .system(operation: .list, path: path, errno: code)
      }
      let name = UnsafeRawPointer(entry) + nameOffset
      let length = strlen(name.assumingMemoryBound(to: CChar.self))
      body(entry.pointee, UnsafeRawBufferPointer(start: name, count: length))
    }
  }

  /// The directories below, by the number of their inode: in cgroupfs the order in which they were made.
  ///
  /// Source: readdir(3).
  func directoriesByInode() throws(HostError) -> [KernelName] {
    var found: [(inode: UInt64, name: KernelName)] = []
    try forEachEntry { entry, name in
      guard entry.d_type == UInt8(DT_DIR), !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else { return }
      found.append((UInt64(entry.d_ino), KernelName(bytes: Array(name))))
    }
    return found.sorted { $0.inode < $1.inode }.map(\.name)
  }

  /// PID_MAX_LIMIT of 64-bit hosts. Kernel: include/linux/threads.h.
  private static let entryLimit = 4 * 1024 * 1024
  /// PATH_MAX. Kernel: fs/proc/base.c, do_proc_readlink().
  private static let linkLimitBytes = 4096

  private static func open(_ name: KernelName, under descriptor: Int32) -> SystemCall.Outcome {
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
    return name.withPath { name in SystemCall.retrying { Int(openat(descriptor, name, flags)) } } ?? .failure(ENOENT)
  }
}
