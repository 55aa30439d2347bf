// SPDX-License-Identifier: Apache-2.0
// Every fold of a block, applied with random factors, leaves the logits as they are.
#include "tests/unit/architecture/golden_case.h"

#include <map>
#include <random>

using namespace qs;
using namespace qs::test;

namespace {

/// Weights with all folds of all blocks applied: producers divided, consumers multiplied.
class FoldedWeights final : public WeightSource {
public:
    FoldedWeights(const ModelSpec& spec, std::shared_ptr<const WeightSource> base) : base_(std::move(base)) {
        for (const BlockSpec& b : spec.blocks)
            for (const FoldSpec& f : b.folds)
                add(b, f);
    }
    Result<Matrix> matrix(const std::string& name) const override {
        auto m = base_->matrix(name);
        const auto it = edits_.find(name);
        if (!m || it == edits_.end()) return m;
        for (const auto& edit : it->second)
            edit(*m);
        return m;
    }
    std::string fingerprint() const override { return {}; }
    std::string label() const override { return "folded"; }
    size_t edited() const { return edits_.size(); }

private:
    using Edit = std::function<void(Matrix&)>;

    void add(const BlockSpec& b, const FoldSpec& f) {
        std::map<std::string, const LinearSpec*> linears;
        for (const LinearSpec* l : b.linears())
            linears[l->module] = l;
        const bool rows = f.producer == FoldSpec::Producer::Rows;
        if (rows && !linears.count(f.module)) qFatal("no linear %s", f.module.c_str());
        std::vector<float> s(rows ? linears.at(f.module)->out : f.norm.size);
        std::uniform_real_distribution<float> factor(0.5f, 2.0f);
        for (float& v : s)
            v = factor(random_);
        const auto divide = [s](Matrix& m) { // a vector, or the rows of a matrix
            for (size_t i = 0; i < m.size(); ++i)
                m.data()[i] /= m.rows() == 1 ? s[i] : s[i / m.cols()];
        };
        if (rows) {
            edits_[linears.at(f.module)->weight].push_back(divide);
            edits_[linears.at(f.module)->bias].push_back(divide);
        } else {
            edits_[f.norm.gain.at(0)].push_back([s, one = f.norm.plusOne ? 1.0f : 0.0f](Matrix& m) {
                for (size_t i = 0; i < m.size(); ++i)
                    m.data()[i] = (m.data()[i] + one) / s[i] - one;
            });
            edits_[f.norm.bias].push_back(divide);
        }
        const Edit multiply = [s, f](Matrix& m) {
            for (size_t r = 0; r < m.rows(); ++r)
                for (size_t c = 0; c < m.cols(); ++c)
                    m(r, c) *= s[f.producerOf(c)];
        };
        for (const auto& [module, l] : linears)
            if (std::find(f.sites.begin(), f.sites.end(), l->site) != f.sites.end())
                edits_[l->weight].push_back(multiply);
        for (const std::string& name : f.columns)
            edits_[name].push_back(multiply);
    }

    std::shared_ptr<const WeightSource> base_;
    std::map<std::string, std::vector<Edit>> edits_;
    std::mt19937 random_{5};
};

} // namespace

class Folds : public QObject {
    Q_OBJECT
private slots:
    void functionStays_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("folds"); // of the last block
        const auto row = [](const char* name, int folds) { QTest::newRow(name) << name << folds; };
        row("llama", 4); // two norms, v, up
        row("llama_bias", 4);
        row("qwen2", 4);
        row("qwen3", 4);
        row("gemma", 4);
        row("gemma2", 4);
        row("gemma3", 4);
        row("phi3", 4);
        row("mixtral", 3 + 4);       // two norms, v; up of 4 experts
        row("qwen2_moe", 3 + 5 + 1); // and of the shared one
        row("qwen3_moe", 3 + 5);
        row("bert", 1); // v only: its norms are residuals too, and gelu stands before the last linear
    }
    void functionStays() {
        QFETCH(QString, name);
        QFETCH(int, folds);
        const auto model = openModel(goldenCase(name.toStdString()));
        QS_VERIFY_OK(model);
        QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
        const ModelSpec& spec = (*model)->spec();
        QCOMPARE(int(spec.blocks.back().folds.size()), folds);
        const auto base = modelWeights(**model);
        const FoldedWeights folded(spec, base);
        QVERIFY(folded.edited() >= spec.blocks.size() * 2);
        const auto ids = goldenTokens(name.toStdString());
        const auto backend = makeCpuBackend();
        const auto before = computeLogits(spec, *base, ids, *backend, {}),
                   after = computeLogits(spec, folded, ids, *backend, {});
        QS_VERIFY_OK(before);
        QS_VERIFY_OK(after);
        const double worst = largestDifference(before->span(), after->span());
        QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
    }
    void groupedHeadsShareAFactor() {
        FoldSpec f;
        f.headDim = 4;
        f.repeat = 3; // heads 0, 1, 2 read head 0 of v; heads 3, 4, 5 head 1
        QCOMPARE(f.producerOf(0), size_t(0));
        QCOMPARE(f.producerOf(4 + 1), size_t(1));
        QCOMPARE(f.producerOf(8 + 3), size_t(3));
        QCOMPARE(f.producerOf(12 + 2), size_t(6));
        QCOMPARE(f.producerOf(20 + 3), size_t(7));
    }
};

QS_TEST(Folds)
#include "tst_folds.moc"
