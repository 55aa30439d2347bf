// SPDX-License-Identifier: Apache-2.0
// Factors applied to tensors, by hand arithmetic; the contract of the registry. That a model's function stays
// is shown for every architecture by the class Folds.
#include "core/linalg/blas.h"
#include "core/quant/transform/scaling.h"
#include "tests/unit/transform/transform_fixture.h"

#include <set>

using namespace qs;
using namespace qs::test;

class Scaling : public QObject {
    Q_OBJECT

    static Matrix matrix(size_t rows, size_t cols, std::vector<float> values) {
        Matrix m(rows, cols);
        std::copy(values.begin(), values.end(), m.data());
        return m;
    }
    static std::vector<float> values(const Matrix& m) { return {m.span().begin(), m.span().end()}; }

    /// Two query heads of two channels on one key-value head; v has a bias.
    static BlockSpec groupedBlock() {
        BlockSpec b;
        const auto linear = [](const char* name, const char* site, size_t out, size_t in) {
            LinearSpec l;
            l.module = name;
            l.weight = std::string(name) + ".weight";
            l.site = site;
            l.out = out;
            l.in = in;
            return l;
        };
        b.attention.q = linear("q", "attn", 4, 3);
        b.attention.k = linear("k", "attn", 2, 3);
        b.attention.v = linear("v", "attn", 2, 3);
        b.attention.v.bias = "v.bias";
        b.attention.o = linear("o", "o", 3, 4);
        b.attention.heads = 2;
        b.attention.kvHeads = 1;
        b.attention.headDim = 2;
        b.attentionNorms.before = {NormSpec::Kind::Rms, {"norm"}, "", true, 3};
        b.mlp.gate = linear("gate", "mlp", 5, 3);
        b.mlp.up = linear("up", "mlp", 5, 3);
        b.mlp.down = linear("down", "down", 3, 5);
        b.folds = findFolds(b);
        return b;
    }

private slots:
    void matrixAndVector() {
        TensorScaling t;
        t.columns = {2, 4};
        t.rows = {1, 8};
        Matrix m = matrix(2, 2, {1, 2, 3, 4});
        t.apply(m.view());
        QCOMPARE(values(m), (std::vector<float>{2, 8, 0.75f, 2}));
        t.undo(m.view());
        QCOMPARE(values(m), (std::vector<float>{1, 2, 3, 4}));
        Matrix last = matrix(1, 2, {3, 4});
        t.applyRows(1, last.view());
        QCOMPARE(values(last), (std::vector<float>{0.75f, 2}));

        TensorScaling gain;
        gain.vector = true;
        gain.offset = 1;
        gain.rows = {2, 0.5f};
        Matrix g = matrix(1, 2, {3, -0.5f}); // stands for 4 and 0.5
        gain.apply(g.view());
        QCOMPARE(values(g), (std::vector<float>{1, 0})); // 2 and 1
        gain.undo(g.view());
        QCOMPARE(values(g), (std::vector<float>{3, -0.5f}));
    }
    void foldsOfABlock() {
        const BlockSpec b = groupedBlock();
        QCOMPARE(b.folds.size(), size_t(3)); // the norm, v, up
        BlockScaling s;
        s.add(b, b.folds[0], std::vector<float>{2, 4, 8});
        const FoldSpec& v = b.folds[1];
        QCOMPARE(tiesOf(v, 4), (std::vector<size_t>{0, 1, 0, 1}));
        s.add(b, v, std::vector<float>{3, 5, 3, 5});
        QCOMPARE(s.find("norm")->rows, (std::vector<float>{2, 4, 8}));
        QCOMPARE(s.find("norm")->offset, 1.0f);
        QCOMPARE(s.find("q.weight")->columns, (std::vector<float>{2, 4, 8}));
        QCOMPARE(s.find("v.weight")->columns, (std::vector<float>{2, 4, 8}));
        QCOMPARE(s.find("v.weight")->rows, (std::vector<float>{3, 5}));
        QCOMPARE(s.find("v.bias")->rows, (std::vector<float>{3, 5}));
        QCOMPARE(s.find("o.weight")->columns, (std::vector<float>{3, 5, 3, 5}));
        QVERIFY(!s.find("gate.weight"));
        QVERIFY(!s.find(""));
        s.add(b, b.folds[0], std::vector<float>{10, 10, 10}); // a second transform
        QCOMPARE(s.find("norm")->rows, (std::vector<float>{20, 40, 80}));

        MatrixD sigma(4, 4);
        for (size_t i = 0; i < 4; ++i)
            for (size_t j = 0; j < 4; ++j)
                sigma(i, j) = 15;
        s.scaleSigma("o", sigma);
        QCOMPARE(sigma(0, 2), 15.0 / 9);
        QCOMPARE(sigma(0, 3), 1.0);
        s.scaleSigma("mlp", sigma); // not scaled
        QCOMPARE(sigma(0, 3), 1.0);
    }
    /// x - z by hand: in the norm's bias, as W z in the biases of readers, and in Sigma.
    void shiftOfABlock() {
        BlockSpec b = groupedBlock();
        QVERIFY(!canShift(b, b.folds[0])); // no bias of the norm
        FoldSpec& fold = b.folds[0];
        fold.norm.bias = "beta";
        std::vector<Matrix> weights;
        std::vector<std::string> biases;
        for (LinearSpec* l : {&b.attention.q, &b.attention.k, &b.attention.v}) {
            l->bias = l->module + ".bias";
            weights.push_back(matrix(l->out, 3, std::vector<float>(3 * l->out, 0.5f)));
            weights.back()(1, 0) = 4;
        }
        QVERIFY(canShift(b, fold));
        QVERIFY(!canShift(b, b.folds[1]));
        BlockScaling s;
        s.addShift(b, fold, std::vector<float>{1, -2, 3}, weights);
        s.add(b, fold, std::vector<float>{2, 4, 8});
        Matrix beta = matrix(1, 3, {5, 6, 7}), bias = matrix(1, 2, {10, 20});
        s.find("beta")->apply(beta.view());
        QCOMPARE(values(beta), (std::vector<float>{2, 2, 0.5f}));
        s.find("k.bias")->apply(bias.view());
        QCOMPARE(values(bias), (std::vector<float>{11, 24.5f})); // 0.5 - 1 + 1.5, 4 - 1 + 1.5
        QCOMPARE(std::vector<float>(s.shiftOf("attn").begin(), s.shiftOf("attn").end()),
                 (std::vector<float>{1, -2, 3}));
        QVERIFY(s.shiftOf("o").empty());
        // Two tokens, (1, 2) and (3, -2): sums 4 and 0; less (1, 1) they are (0, 1) and (2, -3).
        MatrixD sigma(2, 2);
        sigma(0, 0) = 10;
        sigma(0, 1) = sigma(1, 0) = -4;
        sigma(1, 1) = 8;
        shiftSigma(std::vector<float>{1, 1}, std::vector<double>{4, 0}, 2, sigma);
        QCOMPARE(sigma(0, 0), 4.0);
        QCOMPARE(sigma(0, 1), -6.0);
        QCOMPARE(sigma(1, 0), -6.0);
        QCOMPARE(sigma(1, 1), 10.0);
        b.attention.k.bias.clear();
        QVERIFY(!canShift(b, fold));
    }
    void registry() {
        std::set<std::string> ids;
        for (const TransformDescriptor* d : transforms()) {
            QVERIFY2(ids.insert(d->id).second, d->id.c_str());
            QVERIFY(!d->label.empty() && !d->summary.empty() && !d->citation.empty() && d->choose);
            const auto found = findTransform(d->id);
            QS_VERIFY_OK(found);
            QCOMPARE(*found, d);
            for (const ParamSpec& p : d->params)
                QVERIFY(p.key != "id"); // stands beside them in recipes
        }
        const auto none = findTransform("rotate");
        QVERIFY(!none);
        QVERIFY2(none.error().message.find("awq, smoothquant") != std::string::npos,
                 none.error().message.c_str());
    }
    void everyEntryIsDeterministic_data() {
        QTest::addColumn<QString>("id");
        for (const TransformDescriptor* d : transforms())
            QTest::newRow(d->id.c_str()) << QString::fromStdString(d->id);
    }
    void everyEntryIsDeterministic() {
        QFETCH(QString, id);
        const auto c = transformCase("w3_tied", 3, 16);
        const int before = linalg::threads();
        linalg::setThreads(1);
        const auto one = choose(qPrintable(id), *c);
        linalg::setThreads(2);
        const auto two = choose(qPrintable(id), *c);
        linalg::setThreads(before);
        QS_VERIFY_OK(one);
        QS_VERIFY_OK(two);
        QVERIFY(*one == *two);
        for (size_t k = 0; k < one->size(); ++k) {
            QVERIFY(std::isfinite((*one)[k]) && (*one)[k] > 0);
            for (size_t j = 0; j < k; ++j)
                if (c->input.tie[j] == c->input.tie[k]) QCOMPARE((*one)[j], (*one)[k]);
        }
    }
};

QS_TEST(Scaling)
#include "tst_scaling.moc"
