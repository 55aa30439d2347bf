// SPDX-License-Identifier: GPL-3.0-or-later
// Plural forms: the built-in English translation, and that no text with a count has been forgotten.
#include "app/session/SchemeTable.h"
#include "app/settings/Translations.h"
#include "tests/support/qs_test.h"

#include <QRegularExpression>
#include <QTranslator>
#include <QXmlStreamReader>

using namespace qs;
using namespace qs::test;

namespace {

QString contents(const std::filesystem::path& file) {
    QFile f(QString::fromStdString(file.string()));
    return f.open(QIODevice::ReadOnly) ? QString::fromUtf8(f.readAll()) : QString();
}

/// Source texts with their forms.
QHash<QString, QStringList> numerusForms() {
    QXmlStreamReader xml(contents(sourceDir() / "resources/i18n/quantoscope_en.ts"));
    QHash<QString, QStringList> out;
    QString source;
    while (!xml.atEnd()) {
        xml.readNext();
        if (!xml.isStartElement()) continue;
        if (xml.name() == QLatin1String("source")) source = xml.readElementText();
        if (xml.name() == QLatin1String("numerusform")) out[source] << xml.readElementText();
    }
    return out;
}

QStringList placeholders(const QString& text) {
    static const QRegularExpression place(QStringLiteral("%L?\\d")); // %n may become a word
    QStringList out;
    for (auto it = place.globalMatch(text); it.hasNext();)
        out << it.next().captured();
    out.sort();
    return out;
}

} // namespace

class Translations : public QObject {
    Q_OBJECT
private slots:
    void pluralsComeOutRight() {
        const auto text = [](int n) { return app::SchemeTable::tr("%n tensors", nullptr, n); };
        const QList<QTranslator*> before = qApp->findChildren<QTranslator*>();
        app::installTranslations(*qApp);
        const auto clean = qScopeGuard([&] {
            for (QTranslator* t : qApp->findChildren<QTranslator*>())
                if (!before.contains(t)) {
                    QCoreApplication::removeTranslator(t);
                    delete t;
                }
        });
        QCOMPARE(text(1), QStringLiteral("1 tensor"));
        QCOMPARE(text(2), QStringLiteral("2 tensors"));
        QCOMPARE(text(0), QStringLiteral("0 tensors"));
        // A text whose number is formatted by itself.
        const auto selected = [](int n) {
            return QCoreApplication::translate("qs::app::TensorsPane", "%1 tensors · %2 selected", nullptr, n)
                .arg(n)
                .arg(0);
        };
        QCOMPARE(selected(1), QStringLiteral("1 tensor · 0 selected"));
        QCOMPARE(selected(28), QStringLiteral("28 tensors · 0 selected"));
    }

    void everyFormKeepsItsNumbers() {
        const auto forms = numerusForms();
        QVERIFY(forms.size() > 20);
        for (auto it = forms.cbegin(); it != forms.cend(); ++it) {
            QVERIFY(it->size() % 2 == 0);  // a text may stand in several contexts
            QCOMPARE(it->at(1), it.key()); // the texts of the program are the plural
            for (const QString& form : *it) {
                QVERIFY2(!form.isEmpty(), qPrintable(it.key()));
                QCOMPARE(placeholders(form), placeholders(it.key()));
            }
        }
    }

    /// Every text with %n in the sources has its forms.
    void noCountIsForgotten() {
        const auto forms = numerusForms();
        static const QRegularExpression counted(QStringLiteral("\"([^\"\\n]*%n[^\"\\n]*)\""));
        int seen = 0;
        for (const char* folder : {"app", "widgets"})
            for (const auto& e : std::filesystem::recursive_directory_iterator(sourceDir() / folder)) {
                if (e.path().extension() != ".cpp") continue;
                for (auto it = counted.globalMatch(contents(e.path())); it.hasNext(); ++seen) {
                    const QString text = it.next().captured(1);
                    QVERIFY2(forms.contains(text), qPrintable(text));
                }
            }
        QVERIFY(seen > 8);
    }
};

QS_TEST(Translations)
#include "tst_translations.moc"
