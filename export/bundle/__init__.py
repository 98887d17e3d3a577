"""The folder that an Android developer is handed: files, manifest, golden pairs, Kotlin sources."""
