// SPDX-License-Identifier: GPL-3.0-or-later
// What the program remembers between starts. A thin, typed layer over QSettings. GUI thread only.
#pragma once

#include "core/backend/backend.h"
#include "widgets/theme/Theme.h"

#include <QByteArray>
#include <QObject>
#include <QSettings>
#include <QStringList>
#include <memory>

namespace qs::app {

class Settings : public QObject {
    Q_OBJECT
public:
    static constexpr int kMaxRecent = 12;

    struct RecentFile {
        QString path;
        bool exists = false; ///< missing ones are shown greyed
    };

    /// `file`: an .ini to use instead of the user's settings (tests, portable use).
    explicit Settings(const QString& file = {}, QObject* parent = nullptr);

    /// Newest first.
    QVector<RecentFile> recentFiles() const;
    void addRecent(const QString& path);
    void removeRecent(const QString& path);
    void clearRecent();

    ui::ThemeMode themeMode() const;
    void setThemeMode(ui::ThemeMode mode);

    /// What the engine computes with: "auto" (the default), "cpu", "cuda:N".
    QString device() const;
    void setDevice(const QString& id);
    Precision precision() const;
    void setPrecision(Precision p);

    /// Window geometry and dock state; empty when never saved or saved by another layout version.
    QByteArray geometry() const;
    QByteArray layout(int version) const;
    void setGeometry(const QByteArray& bytes);
    void setLayout(const QByteArray& bytes, int version);

    /// Header state, splitters, chosen metric and the like, by a stable key.
    QVariant value(const QString& key, const QVariant& fallback = {}) const;
    void setValue(const QString& key, const QVariant& value);

signals:
    void recentChanged();

private:
    QStringList recentPaths() const;
    std::unique_ptr<QSettings> m_settings;
};

} // namespace qs::app
