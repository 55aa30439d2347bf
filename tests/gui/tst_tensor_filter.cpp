// SPDX-License-Identifier: GPL-3.0-or-later
// What the filter line understands, for one name and for all of them at once.
#include "tests/support/qs_test.h"
#include "widgets/models/TensorFilter.h"

#include <algorithm>

using namespace qs;
using namespace qs::ui;

class TstTensorFilter : public QObject {
    Q_OBJECT

private slots:
    void naturalOrder() {
        QVERIFY(naturalLess(u"layers.2.q", u"layers.10.q"));
        QVERIFY(!naturalLess(u"layers.10.q", u"layers.2.q"));
        QVERIFY(naturalLess(u"a", u"a.1"));
        QVERIFY(!naturalLess(u"a.01", u"a.1") && !naturalLess(u"a.1", u"a.01")); // equal numbers
        QVERIFY(naturalLess(u"x9y", u"x9z"));
    }

    void filterWords() {
        const QString name = "layers.3.mlp.down_proj";
        const auto plain = [&](const char* text) { return TensorFilter(text, false).matches(name, 3); };
        QVERIFY(plain(""));
        QVERIFY(plain("down"));
        QVERIFY(plain("DOWN mlp"));
        QVERIFY(!plain("down attn"));
        QVERIFY(plain("mlp.*down"));
        QVERIFY(plain("lay?rs"));
        QVERIFY(!plain("mlp.*up"));
        QVERIFY(!plain("down*mlp")); // in this order
        QVERIFY(plain("*"));
        QVERIFY(plain("1..3 down"));
        QVERIFY(!plain("4..9"));
        QVERIFY(!TensorFilter("0..9", false).matches(u"lm_head", -1));
        QVERIFY(TensorFilter("l.yers\\.\\d+\\.mlp", true).matches(name, 3));
        QVERIFY(!TensorFilter("^mlp", true).matches(name, 3));
        const TensorFilter broken("mlp.(", true);
        QVERIFY(!broken.error().isEmpty());
        QVERIFY(!broken.matches(name, 3)); // nothing, rather than everything
    }

    /// All names at once say what each name says alone. The second half of the expressions would match or
    /// look across the end of a name if it were asked over a longer text.
    void allAtOnceIsOneByOne_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<bool>("regex");
        QTest::addColumn<int>("expected"); // by hand
        const auto row = [](const char* text, bool regex, int expected) {
            QTest::addRow("%s %s", regex ? "expression" : "words", text)
                << QString::fromUtf8(text) << regex << expected;
        };
        row("proj", false, 5);
        row("l*r*1*q", false, 1);
        row("q_proj mlp", false, 0);
        row("1..9 _p", false, 3);
        row("?_proj", false, 5);
        row("lm?head", false, 1);
        row("naïve", false, 1);
        row("PROJ$", true, 5);
        row("^lm_head$", true, 1);
        row("(gate|up)_proj", true, 2);
        row("\\.\\d\\d\\.", true, 1);
        row("\\bmlp\\b", true, 3);
        row("[h-l]m", true, 1);
        row("x*", true, 7);
        row("(t)\\1", true, 2); // attn
        row("[^a-z]l", true, 0);
        row("proj\\s", true, 0);
        row("d\\W*l", true, 0);
        row("q_proj(?!.)", true, 2);
        row("(?s)proj.*mlp", true, 0);
        row("head\\Z", true, 1);
        row("\\Alayers", true, 5);
        row("(?<!s\\.1)\\.self_attn", true, 1);
        row("(", true, 0);
    }
    void allAtOnceIsOneByOne() {
        const QStringList names{"layers.0.self_attn.q_proj", "layers.1.self_attn.Q_proj",
                                "layers.1.mlp.gate_proj",    "layers.1.mlp.up_proj",
                                "layers.12.mlp.down_proj",   "lm_head",
                                QString::fromUtf8("naïve")};
        const QVector<int> blocks{0, 1, 1, 1, 12, -1, -1};
        NameIndex index;
        for (const QString& name : names)
            index.append(name);
        QCOMPARE(index.at(1), QStringView(u"layers.1.self_attn.q_proj"));
        QFETCH(QString, text);
        QFETCH(bool, regex);
        const TensorFilter filter(text, regex);
        const auto all = filter.matching(index, [&](size_t r) { return blocks[qsizetype(r)]; });
        QCOMPARE(all.size(), size_t(names.size()));
        for (qsizetype r = 0; r < names.size(); ++r)
            QCOMPARE(bool(all[size_t(r)]), filter.matches(names[r].toLower(), blocks[r]));
        QFETCH(int, expected);
        QCOMPARE(int(std::count(all.begin(), all.end(), 1)), expected);
    }

    void namesKeepToTheirLine() {
        NameIndex index;
        index.append("a\nb");
        index.append(QString(QChar(0xD800)) + "c"); // half a surrogate pair: no well-formed text
        const auto none = [](size_t) { return -1; };
        QCOMPARE(TensorFilter("^b", true).matching(index, none), (std::vector<char>{0, 0}));
        QCOMPARE(TensorFilter("a b", false).matching(index, none), (std::vector<char>{1, 0}));
        QCOMPARE(TensorFilter("a.b", true).matching(index, none), (std::vector<char>{1, 0}));
        QCOMPARE(TensorFilter("c", false).matching(index, none), (std::vector<char>{0, 1}));
        QVERIFY(TensorFilter("x", true).matching(NameIndex(), none).empty());
    }
};

QS_TEST(TstTensorFilter)
#include "tst_tensor_filter.moc"
