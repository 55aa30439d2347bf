// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/blas.h"
#include "tests/unit/transform/transform_fixture.h"

using namespace qs;
using namespace qs::test;

class Transform_awq : public QObject {
    Q_OBJECT
private slots:
    void factors_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::newRow("3 bits, groups") << "w3_g16" << 3 << 16;
        QTest::newRow("4 bits, rows") << "w4_row" << 4 << -1;
        QTest::newRow("tied channels") << "w3_tied" << 3 << 16;
    }
    void factors() {
        QFETCH(QString, name);
        QFETCH(int, bits);
        QFETCH(int, group);
        const auto c = transformCase(name.toStdString(), bits, group);
        const auto s = choose("awq", *c);
        QS_VERIFY_OK(s);
        const double worst = largestRelative(*s, c->expected("awq"));
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
        const double scaled = outputError(*c, *s), plain = outputError(*c, std::vector<float>(s->size(), 1));
        QVERIFY2(scaled < 0.7 * plain, qPrintable(QString("%1 of %2").arg(scaled).arg(plain)));
    }
    // Equal magnitudes of inputs and weights: every ratio gives the same factors, all 1.
    void nothingToBalance() {
        const auto c = transformCase("w3_g16", 3, 16);
        c->input.rms.assign(c->input.rms.size(), 2.5f);
        for (Matrix& w : c->weights)
            for (float& v : w.span())
                v = v < 0 ? -0.3f : 0.3f;
        const auto s = choose("awq", *c);
        QS_VERIFY_OK(s);
        for (float f : *s)
            QCOMPARE(f, 1.0f);
    }
    // Magnitudes that say the opposite of Sigma: what they ask for is not taken where it does harm.
    void neverWorseThanNearest() {
        const auto c = transformCase("w4_row", 4, -1);
        for (float& v : c->input.rms)
            v = 1 / (v * v);
        const auto s = choose("awq", *c);
        QS_VERIFY_OK(s);
        const std::vector<float> none(s->size(), 1.0f);
        QVERIFY(outputError(*c, *s) <= outputError(*c, none));
    }
    void readersWithoutTokensHaveNoSay() {
        const auto c = transformCase("w3_g16", 3, 16), alone = transformCase("w3_g16", 3, 16);
        c->input.readers[1].sigma = nullptr;
        alone->input.readers.pop_back();
        const auto s = choose("awq", *c), expected = choose("awq", *alone);
        QS_VERIFY_OK(s);
        QS_VERIFY_OK(expected);
        QVERIFY(*s == *expected);
        c->input.readers[0].sigma = nullptr;
        const auto none = choose("awq", *c);
        QS_VERIFY_OK(none);
        QVERIFY(*none == std::vector<float>(none->size(), 1.0f));
    }
    // More rows than the search looks at: the choice is confirmed on all of them.
    void manyRows() {
        const Layer l = makeLayer(1100, 64, 200, 9);
        const auto codec = intCodec({{"bits", 3}, {"group", 32}});
        TransformInput in;
        in.readers.push_back({l.weight.view(), codec.get(), {}, &l.sigma});
        in.absmax.assign(64, 1.0f);
        for (size_t c = 0; c < 64; ++c)
            in.rms.push_back(float(std::sqrt(l.sigma(c, c) / 200)));
        const TransformDescriptor* d = *findTransform("awq");
        in.params = Params::defaults(d->params);
        const auto s = chooseFactors(*d, in, {});
        QS_VERIFY_OK(s);
        // The channels that are eight times as large get the largest factors.
        const float top = *std::max_element(s->begin(), s->end());
        QVERIFY(top > 1.0f);
        for (size_t c : {3u, 20u, 37u, 54u})
            QVERIFY((*s)[c] > 0.8f * top);
    }
    void cancels() {
        const auto c = transformCase("w3_g16", 3, 16);
        std::stop_source stop;
        stop.request_stop();
        c->input.params = Params::defaults((*findTransform("awq"))->params);
        QVERIFY(chooseFactors(**findTransform("awq"), c->input, JobContext(stop.get_token())).isCancelled());
    }
};

QS_TEST(Transform_awq)
#include "tst_transform_awq.moc"
