// SPDX-License-Identifier: Apache-2.0
// The files of a run folder. run.json: what was asked, written once. journal.json: what is done, replaced
// atomically after every unit. units/<n>.h5: codes and parameters; units/<n>.fold.h5: what transforms changed
// (folded_store.h). Both are present under that name only when complete.
#pragma once

#include "core/run/run.h"

#include <nlohmann/json.hpp>

namespace qs {

/// Exclusive use of a run folder; freed by destruction and by the death of the process.
class RunLock {
public:
    static Result<RunLock> acquire(const std::filesystem::path& directory);
    ~RunLock();
    RunLock(RunLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    RunLock& operator=(RunLock&&) = delete;

private:
    explicit RunLock(int fd) : fd_(fd) {}
    int fd_;
};

class RunJournal {
public:
    /// A new journal in `directory` (made if needed), or the one there when it was asked for the same.
    /// InvalidArgument, naming what differs, when the folder holds another run. Units whose file is missing
    /// or altered count as not done, and so do later ones. The caller holds the folder's RunLock: temporary
    /// files of a killed run are removed.
    static Result<RunJournal> createOrResume(const std::filesystem::path& directory,
                                             const RunManifest& manifest, int unitsTotal);

    int unitsDone() const { return int(units_.size()); }
    bool isDone(int unit) const { return unit < unitsDone(); }
    /// Results of a done unit.
    std::vector<TensorResult> results(int unit) const;
    std::filesystem::path unitFile(int unit) const;
    std::filesystem::path foldedFile(int unit) const;
    /// Kept tensors of a done unit that transforms changed.
    const std::vector<std::string>& changedTensors(int unit) const;

    /// Records the next unit; its files must already be in place. `hasFile`: there was something to quantize;
    /// `hasFolded`: a transform changed something, among it the kept tensors `changed`.
    Result<void> finishUnit(bool hasFile, const std::vector<TensorResult>& results, bool hasFolded = false,
                            std::vector<std::string> changed = {});

    static Result<std::shared_ptr<const Run>> openRun(const std::filesystem::path& directory);

    /// What is done in a folder, to take units from.
    static Result<RunJournal> read(const std::filesystem::path& directory);
    /// Records unit `unit` of another journal as the next one here, with its files (links to them where the
    /// file system has links), which are as they were (isIntact).
    Result<void> takeUnit(const RunJournal& from, int unit);
    /// The files of a done unit are there and unaltered. Reads them.
    bool isIntact(int unit) const;

private:
    struct Unit {
        std::string file, sha256;
        std::string folded, foldedSha256; ///< "" without transforms
        std::vector<std::string> changed;
        std::vector<TensorResult> results;
    };
    Result<void> save() const;
    static Result<std::vector<Unit>> load(const std::filesystem::path& directory, int& unitsTotal);

    std::filesystem::path directory_;
    int unitsTotal_ = 0;
    std::vector<Unit> units_;
};

} // namespace qs
