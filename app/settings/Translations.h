// SPDX-License-Identifier: GPL-3.0-or-later
// The translations that are built in: plural forms of English, and the language of the desktop where there is
// one.
#pragma once

class QCoreApplication;

namespace qs::app {

/// Before the first window: tables of texts are made once.
void installTranslations(QCoreApplication& app);

} // namespace qs::app
