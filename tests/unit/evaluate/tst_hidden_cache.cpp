// SPDX-License-Identifier: Apache-2.0
// Evaluations that begin behind blocks that an earlier one has run: the same numbers, bit for bit.
#include "core/evaluate/evaluate.h"
#include "core/evaluate/hidden_cache.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <fstream>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

/// A model with one tensor scaled, or with rounded inputs of one linear.
class Changed final : public WeightSource {
public:
    Changed(std::shared_ptr<const WeightSource> base, std::string tensor, float factor,
            std::shared_ptr<const RowRounder> rounder = nullptr)
        : base_(std::move(base)), tensor_(std::move(tensor)), factor_(factor), rounder_(std::move(rounder)) {}
    Result<Matrix> matrix(const std::string& tensor) const override {
        QS_TRY(Matrix m, base_->matrix(tensor));
        if (tensor == tensor_)
            for (float& v : m.span())
                v *= factor_;
        return m;
    }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& weight) const override {
        return weight == tensor_ ? rounder_ : nullptr;
    }
    std::string fingerprint() const override { return "changed"; }
    std::string label() const override { return "changed"; }

private:
    std::shared_ptr<const WeightSource> base_;
    std::string tensor_;
    float factor_;
    std::shared_ptr<const RowRounder> rounder_;
};

size_t filesIn(const fs::path& folder) {
    size_t n = 0;
    for (const auto& entry : fs::directory_iterator(folder))
        n += entry.path().extension() == ".hidden";
    return n;
}

} // namespace

class HiddenCacheTest : public QObject {
    Q_OBJECT
    static constexpr size_t kBlocks = 4, kWindows = 3, kLength = 16, kHidden = 32;
    static constexpr uint64_t kFile = kWindows * kLength * kHidden * sizeof(float) + 88;
    std::shared_ptr<const Model> m_model;
    std::unique_ptr<Backend> m_backend;
    std::shared_ptr<const WeightSource> m_original;
    TokenWindows m_text;

    std::string weightOf(size_t block) const { return m_model->spec().blocks[block].mlp.down.weight; }
    std::shared_ptr<const WeightSource> changed(size_t block, float factor = 1.5f) const {
        return std::make_shared<Changed>(m_original, weightOf(block), factor);
    }
    Evaluation run(const WeightSource& weights, const WeightSource* reference,
                   std::optional<HiddenCache> cache) const {
        EvaluateOptions options;
        options.cache = std::move(cache);
        auto e = evaluate(m_model->spec(), weights, reference, m_text, options, *m_backend, {});
        if (!e) qFatal("%s", e.error().describe().c_str());
        return std::move(*e);
    }
    static bool same(const Evaluation& a, const Evaluation& b) {
        return a.tokenNll == b.tokenNll && a.tokenTop == b.tokenTop && a.tokenKl == b.tokenKl &&
               a.referenceTokenNll == b.referenceTokenNll;
    }
    HiddenCache cacheIn(const char* name) const { return *hiddenCacheFor(*m_model, scratchDir(name)); }

private slots:
    void initTestCase() {
        SmallModelShape shape;
        shape.hidden = kHidden;
        shape.blocks = kBlocks;
        const auto folder = scratchDir("hidden-model");
        QS_VERIFY_OK(writeSmallModel(folder, shape, smallConfig(shape)));
        m_model = *openModel(folder);
        m_backend = makeCpuBackend();
        m_original = modelWeights(*m_model);
        m_text = TokenWindows(kWindows, kLength);
        for (size_t i = 0; i < m_text.size(); ++i)
            m_text.data()[i] = int32_t((i * 31 + i / 7) % 50);
    }

    /// The first changed block and those behind it are run, of the reference nothing.
    void onlyWhatChanged() {
        const HiddenCache cache = cacheIn("hidden-change");
        const Evaluation first = run(*changed(1), m_original.get(), cache);
        QCOMPARE(first.blocksTaken, size_t(0));
        // Both streams have the first block's states in common.
        QCOMPARE(filesIn(cache.folder), 2 * kBlocks - 1);
        QVERIFY(same(first, run(*changed(1), m_original.get(), std::nullopt)));
        for (size_t block = 0; block < kBlocks; ++block) {
            const auto weights = changed(block, 0.5f);
            const Evaluation again = run(*weights, m_original.get(), cache);
            QCOMPARE(again.blocksTaken, block + kBlocks);
            QVERIFY(same(again, run(*weights, m_original.get(), std::nullopt)));
        }
        QCOMPARE(run(*changed(1), m_original.get(), cache).blocksTaken, 2 * kBlocks);
    }

    /// Another text, another architecture, another way to compute: nothing is in common.
    void nothingInCommon() {
        HiddenCache cache = cacheIn("hidden-other");
        run(*m_original, nullptr, cache);
        QCOMPARE(run(*m_original, nullptr, cache).blocksTaken, kBlocks);
        HiddenCache other = cache;
        other.identity += "x";
        QCOMPARE(run(*m_original, nullptr, other).blocksTaken, size_t(0));
        const auto bf16 = makeCpuBackend(0, Precision::BF16);
        EvaluateOptions options;
        options.cache = cache;
        const auto rounded = evaluate(m_model->spec(), *m_original, nullptr, m_text, options, *bf16, {});
        QS_VERIFY_OK(rounded);
        QCOMPARE(rounded->blocksTaken, size_t(0));
        m_text.data()[5] += 1;
        QCOMPARE(run(*m_original, nullptr, cache).blocksTaken, size_t(0));
        m_text.data()[5] -= 1;
    }

    /// How inputs are rounded belongs to what states follow from.
    void roundedInputs() {
        const HiddenCache cache = cacheIn("hidden-rounded");
        const CodecDescriptor* d = *findCodec("int");
        const auto rounder = [&](int bits) {
            return std::make_shared<const RowRounder>(*d->create(
                *Params::fromJson(d->params, {{"bits", bits}, {"group", -1}, {"grid", "absmax"}}, "test")));
        };
        const Changed weights(m_original, weightOf(2), 1, rounder(4)),
            others(m_original, weightOf(2), 1, rounder(3));
        const Evaluation first = run(weights, nullptr, cache);
        QCOMPARE(filesIn(cache.folder), kBlocks);
        const Evaluation again = run(weights, nullptr, cache);
        QCOMPARE(again.blocksTaken, kBlocks);
        QVERIFY(same(first, again));
        const Evaluation other = run(others, nullptr, cache);
        QCOMPARE(other.blocksTaken, size_t(2)); // those before it
        QVERIFY(same(other, run(others, nullptr, std::nullopt)) && !same(first, other));
        QVERIFY(!same(first, run(*m_original, nullptr, cache)));
    }

    /// Damaged files go; what is left is used.
    void damage() {
        const HiddenCache cache = cacheIn("hidden-damage");
        const Evaluation first = run(*m_original, nullptr, cache);
        QCOMPARE(filesIn(cache.folder), kBlocks);
        for (const auto& entry : fs::directory_iterator(cache.folder)) {
            QCOMPARE(uint64_t(entry.file_size()), kFile);
            std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(200);
            file.put('\x55');
        }
        const Evaluation again = run(*m_original, nullptr, cache);
        QCOMPARE(again.blocksTaken, size_t(0));
        QVERIFY(same(first, again));
        QCOMPARE(again.cacheNotes.size(), size_t(1));
        QVERIFY(again.cacheNotes[0].starts_with("4 files with hidden states were damaged and removed from "));
        for (const uintmax_t bytes :
             {uintmax_t(100), uintmax_t(50), uintmax_t(0)}) { // within the values, the header
            for (const auto& entry : fs::directory_iterator(cache.folder))
                fs::resize_file(entry.path(), bytes);
            QVERIFY(same(first, run(*m_original, nullptr, cache)));
            const Evaluation whole = run(*m_original, nullptr, cache);
            QCOMPARE(whole.blocksTaken, kBlocks);
            QVERIFY(whole.cacheNotes.empty());
        }
        // Of one that is not sound the one before is taken.
        fs::path latest;
        for (const auto& entry : fs::directory_iterator(cache.folder))
            if (latest.empty() || fs::last_write_time(entry) > fs::last_write_time(latest)) latest = entry;
        fs::resize_file(latest, 100); // the last block's: it was used just now
        const Evaluation most = run(*m_original, nullptr, cache);
        QCOMPARE(most.blocksTaken, kBlocks - 1);
        QVERIFY(same(first, most));
    }

    /// The folder stays within its bytes; what fits least often goes, and with little room every other state
    /// is kept, the last among them.
    void room() {
        HiddenCache cache = cacheIn("hidden-room");
        cache.bytes = 5 * kFile;
        QVERIFY(!HiddenFiles(cache, kWindows * kLength, kHidden, kBlocks).keeps(0));
        QVERIFY(HiddenFiles(cache, kWindows * kLength, kHidden, kBlocks).keeps(1));
        QVERIFY(HiddenFiles(cache, kWindows * kLength, kHidden, kBlocks).keeps(3));
        for (const float factor : {0.5f, 0.6f, 0.7f, 0.8f}) {
            run(*changed(0, factor), nullptr, cache);
            QVERIFY(filesIn(cache.folder) <= 5);
        }
        QCOMPARE(run(*changed(0, 0.8f), nullptr, cache).blocksTaken, kBlocks);
        QCOMPARE(run(*changed(0, 0.5f), nullptr, cache).blocksTaken, size_t(0));
        cache.bytes = kFile; // half of it holds none
        const Evaluation none = run(*changed(0, 0.8f), nullptr, cache);
        QCOMPARE(none.blocksTaken, size_t(0));
        QCOMPARE(none.cacheNotes.size(), size_t(1));
        QVERIFY(none.cacheNotes[0].starts_with("no hidden states are kept: "));
        cache.bytes = 100 * kFile;
        cache.folder = "/proc/no-such-folder"; // cannot be written
        QCOMPARE(run(*m_original, nullptr, cache).blocksTaken, size_t(0));
    }
};

QS_TEST(HiddenCacheTest)
#include "tst_hidden_cache.moc"
