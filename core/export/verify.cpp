// SPDX-License-Identifier: Apache-2.0
#include "core/export/verify.h"

#include "core/linalg/differences.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr size_t kPiece = size_t(16) << 20; // a stop request is heard between pieces

std::string storedAs(const TensorInfo& t) {
    return fmt::format("kept {} [{}]", dtypeInfo(t.dtype).name, fmt::join(t.shape, ", "));
}

Result<size_t> countDifferent(std::span<const std::byte> a, std::span<const std::byte> b,
                              const JobContext& job) {
    size_t different = 0;
    for (size_t at = 0; at < a.size(); at += kPiece) {
        QS_CHECK(job.checkpoint());
        const size_t n = std::min(kPiece, a.size() - at);
        if (std::memcmp(a.data() + at, b.data() + at, n) == 0) continue;
        for (size_t i = at; i < at + n; ++i)
            different += a[i] != b[i];
    }
    return different;
}

Result<std::string> hashOf(const fs::path& file, const JobContext& job) {
    QS_TRY(const auto map, MappedFile::open(file));
    const auto bytes = map->bytes();
    Sha256 hash;
    for (size_t at = 0; at < bytes.size(); at += kPiece) {
        QS_CHECK(job.checkpoint());
        const size_t n = std::min(kPiece, bytes.size() - at);
        hash.update(bytes.subspan(at, n));
        map->doneWith(at, n); // the file may be larger than memory
    }
    return hash.hex();
}

} // namespace

uint64_t compareValues(std::span<const float> have, std::span<const float> want, ReceiptLine& line) {
    constexpr size_t kPart = size_t(1) << 16; ///< values that one thread compares at once
    struct Part {
        uint64_t notFinite = 0, differing = 0;
        double maxDelta = 0;
    };
    std::vector<Part> parts((want.size() + kPart - 1) / kPart);
    linalg::parallelFor(parts.size(), 1, [&](size_t begin, size_t end) {
        for (size_t p = begin; p < end; ++p) {
            const size_t first = p * kPart, count = std::min(kPart, want.size() - first);
            const float *a = have.data() + first, *b = want.data() + first;
            if (std::memcmp(a, b, count * sizeof(float)) == 0 && countNotFinite(a, count) == 0) continue;
            for (size_t i = 0; i < count; ++i) {
                if (!std::isfinite(a[i])) {
                    ++parts[p].notFinite;
                    continue;
                }
                parts[p].differing += a[i] != b[i];
                parts[p].maxDelta = std::max(parts[p].maxDelta, std::abs(double(a[i]) - double(b[i])));
            }
        }
    });
    uint64_t differing = 0;
    for (const Part& part : parts) {
        line.notFinite += part.notFinite;
        line.maxDelta = std::max(line.maxDelta, part.maxDelta);
        differing += part.differing;
    }
    return differing;
}

Result<void> verifyKept(const Checkpoint& source, size_t index, const Checkpoint& written, Receipt& receipt,
                        const JobContext& job) {
    const TensorInfo& planned = source.tensors()[index];
    ReceiptLine line;
    line.tensor = planned.name;
    line.planned = storedAs(planned);
    const size_t found = written.find(planned.name);
    if (found == Checkpoint::npos) {
        line.done = "missing";
    } else if (line.done = storedAs(written.tensors()[found]); line.done == line.planned) {
        std::vector<std::byte> buffer;
        QS_TRY(const auto want, source.elementBytes(index, buffer));
        QS_TRY(const auto have, written.rawBytes(found));
        if (want.size() != have.size()) return Error::internal("stored sizes differ", planned.name);
        QS_TRY(const size_t different, countDifferent(want, have, job));
        if (different) line.done += fmt::format(", {} bytes differ", different);
    }
    receipt.lines.push_back(std::move(line));
    return {};
}

void verifyNothingElse(const std::set<std::string>& expected, const Checkpoint& written, Receipt& receipt) {
    for (const TensorInfo& t : written.tensors())
        if (!expected.count(t.name)) receipt.lines.push_back({t.name, "absent", "present"});
}

void addFileLine(const std::string& name, const std::string& planned, bool good, const std::string& done,
                 Receipt& receipt) {
    receipt.lines.push_back({name, planned, good ? planned : done});
}

Result<void> finishReceipt(const fs::path& directory, Receipt& receipt, const JobContext& job) {
    receipt.directory = directory;
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator it(directory, ec), end; !ec && it != end; it.increment(ec))
        if (it->path().filename() != "receipt.json") names.push_back(it->path().filename().string());
    if (ec) return Error::io("cannot list the folder: " + ec.message(), directory.string());
    std::sort(names.begin(), names.end());
    receipt.bytesWritten = 0;
    for (const std::string& name : names) {
        QS_TRY(std::string hash, hashOf(directory / name, job));
        receipt.files.emplace_back(name, std::move(hash));
        if (!name.ends_with(".safetensors") && !name.ends_with(".gguf") && !name.ends_with(".h5")) continue;
        const uint64_t size = fs::file_size(directory / name, ec);
        if (ec) return Error::io("cannot read the size: " + ec.message(), (directory / name).string());
        receipt.bytesWritten += size;
    }
    for (const ReceiptLine& line : receipt.lines)
        receipt.maxDelta = std::max(receipt.maxDelta, line.maxDelta);
    receipt.verified = receiptIsGood(receipt);
    return {};
}

bool receiptIsGood(const Receipt& receipt) {
    return firstDifference(receipt).empty();
}

std::string firstDifference(const Receipt& receipt) {
    for (const ReceiptLine& line : receipt.lines) {
        if (line.done != line.planned)
            return fmt::format("{}: planned \"{}\", found \"{}\"", line.tensor, line.planned, line.done);
        if (line.notFinite) return fmt::format("{}: {} values are not finite", line.tensor, line.notFinite);
    }
    if (receipt.lines.empty()) return "nothing was compared";
    if (receipt.bytesWritten != receipt.bytesPlanned)
        return fmt::format("the weight files have {} bytes, planned were {}", receipt.bytesWritten,
                           receipt.bytesPlanned);
    return {};
}

} // namespace qs
