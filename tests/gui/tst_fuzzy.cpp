// SPDX-License-Identifier: GPL-3.0-or-later
// The fuzzy search of the command palette: what matches, what is first, what 100k names cost.
#include "tests/gui/CpuTimer.h"
#include "tests/support/qs_test.h"
#include "widgets/models/FuzzyIndex.h"

using namespace qs;
using namespace qs::ui;

namespace {

NameIndex indexOf(const QStringList& names) {
    NameIndex index;
    for (const QString& n : names)
        index.append(n);
    return index;
}

std::vector<FuzzyMatch> best(const NameIndex& names, const QString& query, size_t most) {
    return FuzzySearch().best(names, query, most);
}

} // namespace

class Fuzzy : public QObject {
    Q_OBJECT
private slots:
    void lettersInOrder() {
        QVERIFY(fuzzyScore(u"layers.3.mlp.down_proj", u"l3down") > 0);
        QVERIFY(fuzzyScore(u"layers.3.mlp.down_proj", u"down layers") > 0); // words in any order
        QCOMPARE(fuzzyScore(u"layers.3.mlp.down_proj", u"nwod"), 0);
        QCOMPARE(fuzzyScore(u"layers.3.mlp.down_proj", u"down x"), 0);
        QVERIFY(fuzzyScore(u"anything", u"") > 0);
    }
    void betterIsFirst() {
        const NameIndex names =
            indexOf({"layers.13.self_attn.o_proj", "layers.3.self_attn.q_proj", "layers.3.mlp.up_proj",
                     "Set 3 bits", "Set up 3 pages of a down day"});
        // The part "3" as it stands beats the 3 in 13.
        QCOMPARE(best(names, "3 attn", 10).front().row, 1);
        QCOMPARE(best(names, "SET 3", 10).front().row, 3); // the shorter name
        QCOMPARE(best(names, "up_proj", 10).front().row, 2);
        QCOMPARE(int(best(names, "3", 2).size()), 2);
        QVERIFY(best(names, "zzz", 10).empty());
        // Equals stay in order.
        const auto all = best(indexOf({"aa", "ab", "ac"}), "a", 3);
        QCOMPARE((std::vector<int>{all[0].row, all[1].row, all[2].row}), (std::vector<int>{0, 1, 2}));
    }
    void typedLetterByLetter() {
        NameIndex names;
        for (int layer = 0; layer < 30; ++layer)
            for (const char* part : {"self_attn.q_proj", "mlp.up_proj", "mlp.down_proj"})
                names.append(QStringLiteral("layers.%1.%2").arg(layer).arg(QString::fromLatin1(part)));
        const auto same = [&](FuzzySearch& typed, const QString& query) {
            const auto a = typed.best(names, query, 7), b = best(names, query, 7);
            return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
                return x.row == y.row && x.score == y.score;
            });
        };
        // On, back, and to something else: as if each query were the first.
        for (const QString text : {"LAYERS.2 down", "1 up_q", "zz9", "l2dp  7"}) {
            FuzzySearch typed;
            for (qsizetype n = 0; n <= text.size(); ++n)
                QVERIFY2(same(typed, text.left(n)), qPrintable(text.left(n)));
            for (qsizetype n = text.size(); n >= 0; --n)
                QVERIFY2(same(typed, text.left(n)), qPrintable(text.left(n)));
            QVERIFY(same(typed, "attn"));
        }
        FuzzySearch moved;
        moved.best(names, "up", 3);
        moved.restart();
        QCOMPARE(moved.best(indexOf({"x", "upper"}), "upp", 3).front().row, 1);
    }
    void hundredThousandNames() {
        NameIndex names;
        for (int layer = 0; layer < 80; ++layer)
            for (int e = 0; e < 416; ++e)
                for (const char* part : {"gate_proj", "up_proj", "down_proj"})
                    names.append(QStringLiteral("layers.%1.mlp.experts.%2.%3").arg(layer).arg(e).arg(part));
        QVERIFY(names.size() > 99000);
        double worst = 0;
        for (const char* query :
             {"d", "do", "down", "l7d", "expert 41 up", "layers.79.mlp.experts.4", "zq"}) {
            const double ms = test::cheapest(3, [&] { best(names, QString::fromLatin1(query), 60); });
            qInfo("  %-26s %6.1f ms", query, ms);
            worst = std::max(worst, ms);
        }
        // 16 ms are the aim; the rest is for busy machines and sanitizers.
        QVERIFY2(worst < 400, qPrintable(QString::number(worst)));
        QCOMPARE(names.at(size_t(best(names, "layers.79.mlp.experts.41.up", 5).front().row)).toString(),
                 QStringLiteral("layers.79.mlp.experts.41.up_proj"));
    }
};

QS_TEST(Fuzzy)
#include "tst_fuzzy.moc"
