// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Lines on disk, shared by all destinations: segments of checked records that are appended to, and dropped from the oldest on.
///
/// What write(2) has taken survives the end of the process, and a second later that of the host. A segment is begun at
/// each start, so that what was torn is never written behind. Source: write(2), fdatasync(2), flock(2).
final class Spool {
  private static let segmentBytesRange: ClosedRange<Int64> = 64 << 10...4 << 20

  let folder: Int32
  private let lock: Int32
  private let bytesMax: Int64
  private let segmentBytes: Int64
  private let keptBytes: Int64
  private(set) var segments: [SpoolSegment] = []
  /// Of the last record that is on disk, or was.
  private(set) var lastNumber: UInt64 = 0
  /// Lines up to this number were dropped for others.
  private(set) var droppedThrough: UInt64 = 0
  /// Where destinations were at the last end; nil where that is not known, and all that is here is to be sent again.
  let places: [String: UInt64]?
  private var active: Int32 = -1
  private(set) var isDirty = false
  private var isFolderDirty = false

  /// - Throws: `spoolBusy` where another process has it, `system` where the folder cannot be made or read.
  init(_ path: String, bytesMax: Int64, keptBytes: Int64 = 0) throws(SinkError) {
    func failure(_ operation: String) -> SinkError {
      .system(operation: operation, path: KernelName(path), errno: errno)
    }
    self.bytesMax = bytesMax
    self.keptBytes = min(keptBytes, bytesMax / 2)
    let range = Spool.segmentBytesRange
    segmentBytes = min(max(bytesMax / 16, range.lowerBound), range.upperBound)
    if mkdir(path, 0o700) != 0, errno != EEXIST { throw failure("make") }
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure("open") }
    let lock = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let error: SinkError = lock >= 0 && errno == EWOULDBLOCK ? .spoolBusy(path: path) : failure("lock")
      if lock >= 0 { close(lock) }
      close(folder)
      throw error
    }
    (self.folder, self.lock) = (folder, lock)
    let reading = PlaceFile.read(folder)
    var last: UInt64 = 0
    switch reading {
    case .places(let file):
      places = file.places
      last = max(file.last, file.places.values.max() ?? 0)
    case .none, .damaged: places = nil
    }
    guard let names = Spool.names(folder) else { throw failure("list") }
    segments = names
    lastNumber = max(last, lastOnDisk())
    droppedThrough = (segments.first?.first ?? lastNumber + 1) - 1
  }

  deinit {
    if active >= 0 { close(active) }
    close(lock)
    close(folder)
  }

  /// Of all segments.
  var bytes: Int64 { segments.reduce(0) { $0 + $1.bytes } }

  /// Bytes that stand behind this number, to the segment.
  func bytes(after number: UInt64) -> Int64 {
    segments.reversed().prefix { $0.first > number }.reduce(0) { $0 + $1.bytes }
  }

  /// All of them, or none.
  ///
  /// - Returns: 0, or why the disk does not take them: EOVERFLOW where nobody would read their numbers again.
  func append(_ lines: ArraySlice<DeliveredLine>) -> Int32 {
    guard lines.last.map({ $0.number <= SpoolFrame.numberMax }) ?? true else { return EOVERFLOW }
    var place = lines.startIndex
    while place < lines.endIndex {
      var bytes: [UInt8] = []
      let first = lines[place].number
      while place < lines.endIndex, bytes.isEmpty || bytes.count + lines[place].bytes.count < Int(segmentBytes) {
        SpoolFrame.append(lines[place].bytes, number: lines[place].number, to: &bytes)
        place += 1
      }
      let failure = append(bytes, first: first)
      guard failure == 0 else { return failure }
      lastNumber = lines[place - 1].number
    }
    return 0
  }

  private func append(_ bytes: [UInt8], first: UInt64) -> Int32 {
    if active >= 0, segments[segments.count - 1].bytes + Int64(bytes.count) > segmentBytes { closeActive() }
    makeRoom(Int64(bytes.count + SpoolSegment.headerBytes))
    if active < 0 {
      let failure = begin(first)
      guard failure == 0 else { return failure }
    }
    let place = segments.count - 1
    let failure = Spool.write(bytes, to: active)
    guard failure == 0 else {
      // Half of it may be there: cut off, or else left behind in a segment that is not written to any more.
      if ftruncate(active, off_t(segments[place].bytes)) != 0 { closeActive() }
      return failure
    }
    segments[place].bytes += Int64(bytes.count)
    isDirty = true
    return 0
  }

  private func begin(_ first: UInt64) -> Int32 {
    let name = SpoolSegment.name(first)
    // One of this number can only hold what is no record.
    let descriptor = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return errno }
    let failure = Spool.write(SpoolSegment.header(first), to: descriptor)
    guard failure == 0 else {
      unlinkat(folder, name, 0)
      close(descriptor)
      return failure
    }
    active = descriptor
    segments.removeAll { $0.first == first }
    segments.append(SpoolSegment(first: first, bytes: Int64(SpoolSegment.headerBytes)))
    isFolderDirty = true
    return 0
  }

  private func closeActive() {
    if active >= 0 {
      if isDirty { fdatasync(active) }
      close(active)
    }
    active = -1
  }

  /// Drops the oldest until so many bytes more are within the bound.
  private func makeRoom(_ count: Int64) {
    while !segments.isEmpty, bytes + count > bytesMax {
      if segments.count == 1 { closeActive() }
      let next = segments.count > 1 ? segments[1].first : lastNumber + 1
      droppedThrough = max(droppedThrough, next - 1)
      removeFirst()
    }
  }

  private func removeFirst() {
    unlinkat(folder, segments[0].name, 0)
    segments.removeFirst()
  }

  /// Everybody has what comes up to this number; of that the latest is kept, for whoever asks what was told already.
  func release(through number: UInt64) {
    while segments.count > 1, segments[1].first <= number + 1, bytes - segments[0].bytes >= keptBytes { removeFirst() }
    // All of it, and enough of it that a new file is worth it.
    if segments.count == 1, number >= lastNumber, bytes > max(keptBytes, active < 0 ? 0 : segmentBytes / 2) {
      closeActive()
      removeFirst()
    }
  }

  /// Every record, the oldest first.
  func forEachLine(_ body: (DeliveredLine) -> Void) {
    let reader = SpoolReader(self, after: 0)
    var last: UInt64 = 0
    while true {
      let lines = reader.lines(after: last)
      guard let end = lines.last else { return }
      lines.forEach(body)
      last = end.number
    }
  }

  /// What was appended survives the host from here on.
  func sync() {
    if isDirty, active >= 0 { fdatasync(active) }
    isDirty = false
    if isFolderDirty { fsync(folder) }
    isFolderDirty = false
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count == 0 ? ENOSPC : errno }
      written += count
    }
    return 0
  }

  /// In their order; nil where the folder cannot be listed.
  private static func names(_ folder: Int32) -> [SpoolSegment]? {
    let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let list = fdopendir(copy) else { return nil }
    defer { closedir(list) }
    var segments: [SpoolSegment] = []
    while let entry = readdir(list) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      var status = stat()
      guard let first = SpoolSegment.first(ofName: name) else { continue }
      guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG else {
        continue
      }
      segments.append(SpoolSegment(first: first, bytes: Int64(status.st_size)))
    }
    return segments.sorted { $0.first < $1.first }
  }

  /// Of the last segment. Where it ends in what is no record one more is counted: so those who read find it missing.
  private func lastOnDisk() -> UInt64 {
    guard let segment = segments.last else { return 0 }
    let reader = SpoolReader(self, after: segment.first - 1)
    var last = segment.first - 1
    while let line = reader.lines(after: last).last { last = line.number }
    return last + (reader.endsInDamage ? 1 : 0)
  }
}
