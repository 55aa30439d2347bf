// SPDX-License-Identifier: Apache-2.0
// Examples of what a reader opens, and damaged copies of them.
#pragma once

#include "core/checkpoint/reader.h"
#include "tests/support/samples.h"

#include <fstream>
#include <random>

namespace qs::test {

namespace reader_fixture {
namespace fs = std::filesystem;

inline std::string readBytes(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void writeBytes(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), std::streamsize(bytes.size()));
}

inline std::string randomBytes(size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::string out(n, '\0');
    for (char& c : out)
        c = char(random());
    return out;
}

/// The sample of the reader's own test; else the first thing under tests/golden/<id> that the reader opens.
/// Empty when there is neither.
inline fs::path writeSample(const ReaderDescriptor& reader, const fs::path& folder) {
    if (const SampleWriter write = sampleOf("reader", reader.id)) return write(folder);
    std::error_code ec;
    std::vector<fs::path> found;
    for (fs::recursive_directory_iterator it(sourceDir() / "tests" / "golden" / reader.id, ec), end;
         !ec && it != end; it.increment(ec))
        found.push_back(it->path());
    std::sort(found.begin(), found.end());
    for (const fs::path& path : found) {
        if (!reader.accepts(path) || !reader.open(path)) continue;
        fs::copy(path, folder / path.filename(), fs::copy_options::recursive);
        return folder / path.filename();
    }
    return {};
}

/// Files of the sample that hold weights.
inline std::vector<fs::path> weightFiles(const ReaderDescriptor& reader, const fs::path& sample) {
    if (!fs::is_directory(sample)) return {sample};
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(sample))
        if (entry.is_regular_file() && reader.accepts(entry.path())) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

/// Reads everything. False when a tensor gives an error.
inline bool readsEverything(const Checkpoint& c) {
    bool ok = true;
    for (size_t i = 0; i < c.tensors().size(); ++i) {
        const TensorInfo& t = c.tensors()[i];
        ok = (!t.verbatim || c.rawBytes(i).has_value()) && ok;
        ok = (!t.readable() || c.readMatrix(i).has_value()) && ok;
    }
    return ok && c.fingerprint().has_value();
}

/// What the process has in memory or has read by calls so far, in bytes: resident pages, and read().
inline uint64_t bytesTouched() {
    uint64_t total = 0;
    std::string key;
    for (std::ifstream in("/proc/self/status"); in >> key;)
        if (key == "RssAnon:" || key == "RssFile:") {
            uint64_t kib = 0;
            in >> kib;
            total += kib * 1024;
        }
    for (std::ifstream in("/proc/self/io"); in >> key;)
        if (key == "rchar:") {
            uint64_t bytes = 0;
            in >> bytes;
            total += bytes;
        }
    return total;
}

} // namespace reader_fixture
} // namespace qs::test
