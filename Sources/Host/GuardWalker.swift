// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Walks /proc and the tree of a control group by getdents64(2), in buffers that are there from the start.
///
/// readdir(3) takes its buffer from the heap. Source: getdents64(2).
final class GuardWalker {
  /// Groups within each other that are walked into.
  static let depthMax = 16
  private static let entriesBytes = 32 * 1024
  private static let procsBytes = 4096

  /// One for each depth: a group is walked while its parent is.
  private let entries: UnsafeMutableRawBufferPointer
  private let procs: UnsafeMutableRawBufferPointer

  init() {
    let all = GuardWalker.depthMax * GuardWalker.procsBytes
    entries = .allocate(byteCount: max(GuardWalker.entriesBytes, all), alignment: 16)
    procs = .allocate(byteCount: all, alignment: 16)
    entries.initializeMemory(as: UInt8.self, repeating: 0)
    procs.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    entries.deallocate()
    procs.deallocate()
  }

  /// The names that are whole numbers; false where the directory could not be read.
  func forEachNumber(in directory: Int32, _ body: (Int32) -> Void) -> Bool {
    guard lseek(directory, 0, SEEK_SET) == 0 else { return false }
    return forEachEntry(of: directory, in: entries) { name, _ in
      if let pid = GuardWalker.number(name) { body(pid) }
    }
  }

  /// The processes of a control group and of those below it; false where it could not be read.
  func forEachProcess(below group: Int32, _ body: (Int32) -> Void) -> Bool { walk(group, depth: 0, body) }

  private func walk(_ group: Int32, depth: Int, _ body: (Int32) -> Void) -> Bool {
    let bytes = depth * GuardWalker.procsBytes..<(depth + 1) * GuardWalker.procsBytes
    guard forEachPID(of: group, in: UnsafeMutableRawBufferPointer(rebasing: procs[bytes]), body) else { return false }
    guard depth + 1 < GuardWalker.depthMax else { return true }
    let listing = openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard listing >= 0 else { return false }
    defer { close(listing) }
    return forEachEntry(of: listing, in: UnsafeMutableRawBufferPointer(rebasing: entries[bytes])) { name, type in
      guard type == UInt8(DT_DIR), name[0] != 0x2e || (name[1] != 0 && !(name[1] == 0x2e && name[2] == 0)) else {
        return
      }
      let child = openat(group, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard child >= 0 else { return }
      _ = walk(child, depth: depth + 1, body)
      close(child)
    }
  }

  /// Numbers may lie across the end of the buffer. File: cgroup.procs.
  private func forEachPID(of group: Int32, in buffer: UnsafeMutableRawBufferPointer, _ body: (Int32) -> Void) -> Bool {
    let file = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    var number: Int32 = 0
    while true {
      let count = read(file, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count == 0 }
      for byte in buffer[..<count] {
        if byte >= 0x30, byte <= 0x39 {
          number = number &* 10 &+ Int32(byte - 0x30)
        } else {
          if number > 0 { body(number) }
          number = 0
        }
      }
    }
  }

  /// struct linux_dirent64: inode and place of 8 bytes each, length of 2, type of 1, then the name and a NUL.
  private func forEachEntry(
    of directory: Int32, in buffer: UnsafeMutableRawBufferPointer, _ body: (UnsafePointer<CChar>, UInt8) -> Void
  ) -> Bool {
    while true {
      let count = clinux_getdents64(directory, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count == 0 }
      var place = 0
      while place + 19 < count {
        let length = Int(buffer.loadUnaligned(fromByteOffset: place + 16, as: UInt16.self))
        guard length > 19, place + length <= count else { return false }
        let name = buffer.baseAddress! + place + 19
        body(UnsafePointer(name.assumingMemoryBound(to: CChar.self)), buffer[place + 18])
        place += length
      }
    }
  }

  private static func number(_ name: UnsafePointer<CChar>) -> Int32? {
    var (number, place): (Int32, Int) = (0, 0)
    while name[place] >= 0x30, name[place] <= 0x39, place < 9 {
      number = number * 10 + Int32(name[place] - 0x30)
      place += 1
    }
    return place > 0 && name[place] == 0 ? number : nil
  }
}
