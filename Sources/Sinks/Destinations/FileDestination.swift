// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Lines in a file, which begins anew by its size, by its age, or because it was moved away (logrotate).
///
/// What a disk takes half is taken back, so that no line is torn. It is opened without waiting: a FIFO that nobody reads is
/// an error and not a stop. Source: open(2), write(2), rename(2), ftruncate(2).
final class FileDestination: LineDestination {
  /// Of lines that go into one write.
  private static let writeBytes = 256 * 1024
  /// Of a file's first line that are read for its age.
  private static let headBytes = 64 * 1024

  private let settings: FileDestinationSettings
  private var descriptor: Int32 = -1
  private var bytes: Int64 = 0
  private var isRegular = false
  /// Of the first line that is in it; nil where there is none.
  private var firstSeconds: Int64?
  private var isDirty = false
  private var isMoved = false
  private let wallSeconds: () -> Int64

  /// - Parameter wallSeconds: since 1970, for the age of a file.
  init(_ settings: FileDestinationSettings, wallSeconds: @escaping () -> Int64 = { Int64(time(nil)) }) {
    self.settings = settings
    self.wallSeconds = wallSeconds
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  override var hasRoom: Bool { state == .up }

  override var dueNanoseconds: Int64? { state == .up ? nil : retryNanoseconds }

  override func step(nowNanoseconds now: Int64) {
    if state != .up, now >= retryNanoseconds { open(now) }
  }

  override func reopen() { isMoved = true }

  override func sync() {
    if isDirty, descriptor >= 0 { fdatasync(descriptor) }
    isDirty = false
  }

  override func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds now: Int64) -> Int {
    if isMoved || wasMoved {
      open(now)
      guard state == .up else { return 0 }
    }
    var count = 0
    while count < lines.count {
      guard rotateIfDue(lines[lines.startIndex + count], now) else { return count }
      let piece = piece(of: lines.dropFirst(count))
      guard write(piece, now) else { return count }
      count += piece.count
    }
    return count
  }

  /// As many lines as go into this file and one write; one at least.
  private func piece(of lines: ArraySlice<DeliveredLine>) -> ArraySlice<DeliveredLine> {
    var size = 0
    let end = lines.firstIndex { line in
      size += line.bytes.count
      guard line !== lines.first else { return false }
      return size > FileDestination.writeBytes || bytes + Int64(size) > settings.bytesMax ?? .max
    }
    return lines[lines.startIndex..<(end ?? lines.endIndex)]
  }

  private func write(_ lines: ArraySlice<DeliveredLine>, _ now: Int64) -> Bool {
    var whole: [UInt8] = []
    for line in lines { whole += line.bytes }
    var written = 0
    while written < whole.count {
      let count = whole[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let number = count == 0 ? ENOSPC : errno
        if written > 0, isRegular { ftruncate(descriptor, off_t(bytes)) }
        shut()
        fail(.system("write", number), nowNanoseconds: now)
        return false
      }
      written += count
    }
    bytes += Int64(whole.count)
    firstSeconds = firstSeconds ?? wallSeconds()
    isDirty = isRegular
    for line in lines { took(line) }
    arrived(through: taken)
    return true
  }

  /// Another file has the name by now, or none.
  private var wasMoved: Bool {
    var (ours, named) = (stat(), stat())
    guard fstat(descriptor, &ours) == 0, stat(settings.path, &named) == 0 else { return true }
    return ours.st_ino != named.st_ino || ours.st_dev != named.st_dev
  }

  private func open(_ now: Int64) {
    shut()
    isMoved = false
    descriptor = Glibc.open(settings.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o640)
    if descriptor < 0, errno == EACCES || errno == EINVAL || errno == EROFS {
      // A device, or a file that may be written alone.
      descriptor = Glibc.open(settings.path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0o640)
    }
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
      return fail(.system("open", errno), nowNanoseconds: now)
    }
    isRegular = status.st_mode & S_IFMT == S_IFREG
    bytes = isRegular ? Int64(status.st_size) : 0
    firstSeconds = nil
    if isRegular, bytes > 0 {
      mend()
      firstSeconds = age() ?? Int64(status.st_mtim.tv_sec)
    }
    succeed()
  }

  private func shut() {
    sync()
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  /// The host went down in the middle of a line: the next one is not to go on in it.
  private func mend() {
    var last: UInt8 = 0
    guard pread(descriptor, &last, 1, off_t(bytes - 1)) == 1, last != UInt8(ascii: "\n") else { return }
    var newline = UInt8(ascii: "\n")
    if Glibc.write(descriptor, &newline, 1) == 1 { bytes += 1 }
  }

  /// When its first line was told.
  private func age() -> Int64? {
    var head = [UInt8](repeating: 0, count: FileDestination.headBytes)
    let count = pread(descriptor, &head, head.count, 0)
    guard count > 0, let end = head[..<count].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    return LineFacts(Array(head[..<end])).wallNanoseconds.map { $0 / 1_000_000_000 }
  }

  /// - Returns: false where the new one cannot be had.
  private func rotateIfDue(_ line: DeliveredLine, _ now: Int64) -> Bool {
    guard isRegular, let firstSeconds else { return true }
    let isFull = bytes + Int64(line.bytes.count) > settings.bytesMax ?? .max
    guard isFull || wallSeconds() - firstSeconds >= settings.secondsMax ?? .max else { return true }
    shut()
    for number in stride(from: settings.keep, to: 0, by: -1) {
      rename(number == 1 ? settings.path : "\(settings.path).\(number - 1)", "\(settings.path).\(number)")
    }
    if settings.keep == 0 { unlink(settings.path) }
    open(now)
    return state == .up
  }
}
