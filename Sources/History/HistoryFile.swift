// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// The file of a history: made, opened, told from others' files, and set aside where it is damaged.
enum HistoryFile {
  /// Damaged files that are kept; of more the oldest goes.
  static let setAsideMax = 3
  private static let setAsideMark = ".damaged-"

  /// What tells one file from the next of the same name.
  struct Identity: Equatable {
    var device: dev_t
    var inode: ino_t

    /// Nil where there is none.
    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      (device, inode) = (status.st_dev, status.st_ino)
    }
  }

  /// To be written: its folder and itself are made where they are not there.
  static func openForWriting(_ settings: HistorySettings) throws(HistoryError) -> Database {
    try makeFolder(of: settings.path)
    try make(settings.path)
    let database = try Database(path: settings.path, .write, busyMilliseconds: settings.busyMilliseconds)
    if try isEmpty(database) {
      try database.execute(HistorySchema.beforeTables)
      try database.execute(HistorySchema.settings)
      try database.execute("BEGIN IMMEDIATE")
      // Another may have been quicker.
      if try isEmpty(database) { try database.execute(HistorySchema.tables) }
      try database.execute("COMMIT")
    }
    try examine(database)
    try database.execute(HistorySchema.settings)
    return database
  }

  /// To be read, while it is written or not.
  ///
  /// Who may not make files beside it can read it while somebody else has it open; where nobody has, it does not change
  /// either. Source: sqlite.org/wal.html, "Read-Only Databases".
  static func openForReading(_ path: String) throws(HistoryError) -> Database {
    guard Identity(path) != nil else {
      if errno == ENOENT { throw .absent(path: path) }
      throw .system(path: path, operation: .open, errno: errno)
    }
    guard access(path, R_OK) == 0 else { throw .system(path: path, operation: .open, errno: errno) }
    do throws(HistoryError) {
      let database = try Database(path: path, .read, busyMilliseconds: 2000)
      try examine(database)
      return database
    } catch {
      guard !error.isDamage, case .database = error, Identity(path + "-wal") == nil else { throw error }
      let database = try Database(path: path, .readUnchanging, busyMilliseconds: 0)
      try examine(database)
      return database
    }
  }

  private static func isEmpty(_ database: Database) throws(HistoryError) -> Bool {
    guard try database.integer("PRAGMA application_id") == 0 else { return false }
    return try database.integer("SELECT count(*) FROM sqlite_schema") == 0
  }

  /// Whether it is ours, and of a version that we know.
  private static func examine(_ database: Database) throws(HistoryError) {
    guard try database.integer("PRAGMA application_id") == HistorySchema.applicationID else {
      throw .foreign(path: database.path)
    }
    let version = try database.integer("PRAGMA user_version")
    guard version <= HistorySchema.version else { throw .newer(path: database.path, version: version) }
  }

  private static func make(_ path: String) throws(HistoryError) {
    let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else {
      if errno == EEXIST { return }
      throw .system(path: path, operation: .make, errno: errno)
    }
    defer { close(descriptor) }
    // What umask(2) took away. SQLite gives the files beside it the same mode.
    guard fchmod(descriptor, 0o640) == 0 else { throw .system(path: path, operation: .setMode, errno: errno) }
  }

  /// The last folder is the history's own; those above it are everybody's.
  private static func makeFolder(of path: String) throws(HistoryError) {
    let components = path.split(separator: "/").dropLast()
    var made = path.hasPrefix("/") ? "" : "."
    for (place, component) in components.enumerated() {
      made += "/" + component
      guard mkdir(made, place == components.count - 1 ? 0o750 : 0o755) == 0 || errno == EEXIST else {
        throw .system(path: made, operation: .make, errno: errno)
      }
    }
  }

  /// Gives a damaged file another name, with the time in it, and what lies beside it; nobody may have it open to write.
  ///
  /// - Returns: its name now.
  static func setAside(_ path: String, wallNanoseconds: Int64) throws(HistoryError) -> String {
    let time = RFC3339.text(wallNanoseconds: wallNanoseconds).prefix(19).filter { $0 != "-" && $0 != ":" }
    var name = path + setAsideMark + time + "Z"
    var number = 1
    while Identity(name) != nil {
      number += 1
      name = path + setAsideMark + time + "Z.\(number)"
    }
    guard rename(path, name) == 0 else { throw .system(path: path, operation: .rename, errno: errno) }
    rename(path + "-wal", name + "-wal")
    unlink(path + "-shm")
    forgetOldest(of: path)
    return name
  }

  private static func forgetOldest(of path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let folder = parts.count > 1 ? parts.dropLast().joined(separator: "/") + "/" : "./"
    let prefix = String(parts.last ?? "") + setAsideMark
    guard let opened = opendir(folder) else { return }
    var names: [String] = []
    while let entry = readdir(opened) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasPrefix(prefix), !name.hasSuffix("-wal") { names.append(name) }
    }
    closedir(opened)
    for name in names.sorted().dropLast(setAsideMax) {
      unlink(folder + name)
      unlink(folder + name + "-wal")
    }
  }
}
