// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/hidden_cache.h"

#include "core/base/file.h"
#include "core/base/temporary.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <map>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr std::array<char, 8> kMagic = {'Q', 'S', 'H', 'I', 'D', '1', '\n', '\0'};
constexpr const char* kSuffix = ".hidden";
constexpr size_t kHexDigits = 64;

struct Header {
    std::array<char, 8> magic = kMagic;
    uint64_t rows = 0, cols = 0;
    std::array<char, kHexDigits> digest{};
};

/// Of a matrix in one piece.
std::span<const std::byte> bytesOf(ConstMatrixView states) {
    return std::as_bytes(std::span<const float>(states.data, states.size()));
}

/// Passes everything through and remembers what it was.
class WatchedWeights final : public WeightSource {
public:
    explicit WatchedWeights(const WeightSource& base) : base_(base) {}

    Result<Matrix> matrix(const std::string& name) const override {
        QS_TRY(Matrix m, base_.matrix(name));
        seen_[name] = fmt::format("{} {} {}", m.rows(), m.cols(), sha256Hex(std::as_bytes(m.span())));
        return m;
    }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& weight) const override {
        QS_TRY(auto rounder, base_.inputRounder(weight));
        return noted("inputs of " + weight, std::move(rounder));
    }
    std::shared_ptr<const RowRounder> outputRounder(const std::string& weight) const override {
        return noted("outputs of " + weight, base_.outputRounder(weight));
    }
    std::shared_ptr<const KvRounder> kvRounder(const std::string& keyWeight) const override {
        return noted("cache of " + keyWeight, base_.kvRounder(keyWeight));
    }
    std::shared_ptr<const RowRounder> probabilityRounder(const std::string& keyWeight) const override {
        return noted("probabilities of " + keyWeight, base_.probabilityRounder(keyWeight));
    }
    std::string fingerprint() const override { return base_.fingerprint(); }
    std::string label() const override { return base_.label(); }

    const std::map<std::string, std::string>& seen() const { return seen_; }

private:
    template<class Rounder>
    Rounder noted(const std::string& what, Rounder rounder) const {
        if (rounder) seen_[what] = rounder->identity();
        return rounder;
    }

    const WeightSource& base_;
    mutable std::map<std::string, std::string> seen_; ///< a block is loaded on one thread
};

struct Kept {
    fs::path path;
    uint64_t bytes = 0;
    fs::file_time_type used;
};

/// Oldest first.
std::vector<Kept> filesIn(const fs::path& folder) {
    std::vector<Kept> out;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(folder, ec)) {
        if (entry.path().extension() != kSuffix) continue;
        std::error_code gone; // another process may remove it
        const Kept k{entry.path(), entry.file_size(gone), entry.last_write_time(gone)};
        if (!gone) out.push_back(k);
    }
    std::sort(out.begin(), out.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
    return out;
}

} // namespace

PrefixDigest::PrefixDigest(const std::string& identity, const std::string& machine, size_t windowLength,
                           ConstMatrixView embedded) {
    Sha256 hash;
    hash.update(fmt::format("hidden states of {}\n{} {}\n{} {}\n{} {} {}\n", QS_VERSION, identity.size(),
                            identity, machine.size(), machine, windowLength, embedded.rows, embedded.cols));
    hash.update(bytesOf(embedded));
    value_ = hash.hex();
}

Result<DeviceBlock> PrefixDigest::load(const Forward& forward, size_t index, const WeightSource& weights) {
    const WatchedWeights watched(weights);
    QS_TRY(DeviceBlock block, forward.loadBlock(index, watched));
    Sha256 hash;
    hash.update(fmt::format("{} block {}\n", value_, index));
    for (const auto& [name, content] : watched.seen())
        hash.update(fmt::format("{} {} {}\n", name.size(), name, content));
    value_ = hash.hex();
    return block;
}

HiddenFiles::HiddenFiles(const HiddenCache& cache, size_t rows, size_t cols, size_t blocks)
    : folder_(cache.folder), most_(cache.bytes), rows_(rows), cols_(cols), blocks_(blocks) {
    std::error_code ec;
    fs::create_directories(folder_, ec);
    sweepTemporaries(folder_, [](const std::string& name) { return name.ends_with(kSuffix); });
    if (const auto space = fs::space(folder_, ec); !ec)
        most_ = std::min(most_, uint64_t(space.available) / 10);
    const uint64_t own = uint64_t(rows) * cols * sizeof(float) + sizeof(Header), half = most_ / 2;
    if (own <= half && blocks > 0) stride_ = size_t((own * blocks + half - 1) / half);
}

fs::path HiddenFiles::file(const std::string& digest) const {
    return folder_ / (digest + kSuffix);
}

bool HiddenFiles::empty() const {
    return stride_ == 0 || filesIn(folder_).empty();
}

std::string HiddenFiles::refusal() const {
    if (stride_ > 0 || blocks_ == 0) return {};
    constexpr double kMebi = 1 << 20;
    return fmt::format(
        "no hidden states are kept: those of one block take {:.0f} MiB, and of {:.0f} MiB that the "
        "folder may hold half is for one evaluation",
        double(rows_) * double(cols_) * sizeof(float) / kMebi, double(most_) / kMebi);
}

bool HiddenFiles::keeps(size_t block) const {
    return stride_ > 0 && (blocks_ - 1 - block) % stride_ == 0;
}

bool HiddenFiles::has(const std::string& digest) const {
    std::error_code ec;
    return fs::is_regular_file(file(digest), ec);
}

bool HiddenFiles::read(const std::string& digest, MatrixView into) const {
    std::ifstream in(file(digest), std::ios::binary);
    Header header;
    bool sound = bool(in.read(reinterpret_cast<char*>(&header), sizeof header));
    sound = sound && header.magic == kMagic && header.rows == rows_ && header.cols == cols_ &&
            into.rows == rows_ && into.cols == cols_;
    sound =
        sound && in.read(reinterpret_cast<char*>(into.data), std::streamsize(into.size() * sizeof(float)));
    sound = sound && sha256Hex(bytesOf(into)) == std::string(header.digest.data(), kHexDigits);
    std::error_code ec;
    if (sound)
        fs::last_write_time(file(digest), fs::file_time_type::clock::now(), ec); // used just now
    else
        fs::remove(file(digest), ec);
    return sound;
}

/// For one more.
bool HiddenFiles::makeRoom() const {
    uint64_t held = uint64_t(rows_) * cols_ * sizeof(float) + sizeof(Header);
    std::vector<Kept> files = filesIn(folder_);
    for (const Kept& f : files)
        held += f.bytes;
    for (auto it = files.begin(); it != files.end() && held > most_; ++it) {
        std::error_code ec;
        if (fs::remove(it->path, ec)) held -= it->bytes;
    }
    return held <= most_;
}

void HiddenFiles::write(const std::string& digest, ConstMatrixView states) const {
    if (has(digest) || !makeRoom()) return;
    const auto bytes = bytesOf(states);
    Header header;
    header.rows = rows_;
    header.cols = cols_;
    const std::string hex = sha256Hex(bytes);
    std::copy(hex.begin(), hex.end(), header.digest.begin());
    (void)commitByRename(file(digest), [&](const fs::path& to) -> Result<void> {
        std::ofstream out(to, std::ios::binary);
        out.write(reinterpret_cast<const char*>(&header), sizeof header);
        out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
        out.close();
        return out ? Result<void>() : Error::io("cannot write hidden states", to.string());
    });
}

} // namespace qs
