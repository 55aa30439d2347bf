// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/settings/Translations.h"

#include <QCoreApplication>
#include <QLocale>
#include <QTranslator>

// Resources of a static library are taken in by hand. The macro declares at global scope, so no namespace.
static void takeResourcesIn() {
    Q_INIT_RESOURCE(translations);
}

namespace qs::app {

void installTranslations(QCoreApplication& app) {
    takeResourcesIn();
    const QString folder = QStringLiteral(":/i18n"), name = QStringLiteral("quantoscope");
    // The texts of the program are English, with plurals that only a translation makes right ("1 tensor").
    auto* english = new QTranslator(&app);
    if (english->load(name + QStringLiteral("_en"), folder)) QCoreApplication::installTranslator(english);
    const QLocale locale;
    if (locale.language() == QLocale::English) return;
    // Found last, asked first; what it lacks is English.
    auto* own = new QTranslator(&app);
    if (own->load(locale, name, QStringLiteral("_"), folder)) QCoreApplication::installTranslator(own);
}

} // namespace qs::app
