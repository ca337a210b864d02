# SPDX-License-Identifier: Apache-2.0
"""Options of the image service client and of image conversion. keystoneauth owns the credentials
and connection options of the group; cinder.image.glance registers them."""

from oslo_config import cfg, types

from cinder.conf.option_types import Names, NamesOpt

GROUP = 'glance'
_VMDK_TYPES = ('streamOptimized', 'monolithicSparse')
OPTS = [
    cfg.StrOpt('region_name', sample_default='RegionOne',
               help='Region of the image service. Not set: the first in the catalog.'),
]
DEFAULTS = [
    NamesOpt('glance_api_servers', sample_default=['http://192.0.2.1:9292'],
             help='URLs of the image service; if one does not respond, the next one is used. Not '
                  'set: the URL in the catalog of the identity service of section [glance].'),
    cfg.StrOpt('glance_catalog_info', default='image:glance:publicURL',
               regex=r'^[^:]+:[^:]*:(public|internal|admin)(URL)?$',
               help='Entry of the image service in the catalog, as type:name:endpoint; the name is '
                    'ignored.'),
    cfg.IntOpt('glance_num_retries', default=3, min=0,
               help='Number of retries for a request to the image service or the transfer of an '
                    'image.'),
    cfg.IntOpt('glance_request_timeout', min=1, sample_default=60,
               help='Seconds without a response after which a request to the image service fails. '
                    'Not set: timeout of section [glance], otherwise 60.'),
    cfg.BoolOpt('glance_api_insecure', default=False,
                help='Do not verify the certificate of the image service.'),
    cfg.StrOpt('glance_ca_certificates_file',
               sample_default='/etc/ssl/certs/ca-certificates.crt',
               help='File with the CA certificates for verifying the image service. Not set: '
                    'cafile of section [glance], otherwise the CA certificates of the system.'),
    cfg.StrOpt('verify_glance_signatures', default='enabled',
               choices=[('enabled', 'use a signed image only if its data matches its signature'),
                        ('disabled', 'use signed images without a verification')],
               help='Whether the signatures of images (properties img_signature*) are verified, '
                    'with certificates from the key manager. Checksums are verified in any '
                    'case.'),
    cfg.StrOpt('glance_certfile', sample_default='/etc/cinder/glance.crt',
               help='File with the client certificate for the image service. Not set: certfile of '
                    'section [glance], otherwise none.'),
    cfg.StrOpt('glance_keyfile', sample_default='/etc/cinder/glance.key',
               help='File with the key of glance_certfile. Not set: keyfile of section [glance].'),
    NamesOpt('allowed_direct_url_schemes', default=[], sample_default=['cinder'],
             help='Schemes of URLs at which data of images is used without a transfer by the image '
                  'service. cinder: a volume on the same back end, of which new ones are clones; '
                  'file: a file of this host with the digest that the image has (os_hash_value).'),
    NamesOpt('glance_core_properties',
             default=['checksum', 'container_format', 'disk_format', 'image_name', 'image_id',
                      'min_disk', 'min_ram', 'name', 'size'],
             help='Image metadata of a volume that is not set on an image created from it: '
                  'attributes that the image service sets itself, and what only the first image '
                  'had.'),
    NamesOpt('reserved_image_namespaces', default=[],
             help='Prefixes of properties that are not set on new images, in addition to the '
                  'properties that the image service reserves.'),
    cfg.BoolOpt('enable_force_upload', default=False,
                help='Allow a request with force to upload a volume that is in use to an image.'),
    cfg.BoolOpt('allow_compression_on_image_upload', default=False,
                help='Allow a request to upload a volume with the container format "compressed". '
                     'Such images are always accepted for new volumes.'),
    cfg.Opt('vmdk_allowed_types', default=list(_VMDK_TYPES),
            type=Names(types.String(choices=_VMDK_TYPES, ignore_case=True)),
            help='Accepted types of VMDK images (createType in the descriptor). '
                 'Empty: none. All other types refer to other files, and are never accepted.'),
    cfg.StrOpt('image_conversion_dir', default='$state_path/conversion',
               help='Directory for images during conversion.'),
    cfg.BoolOpt('image_conversion_disable', default=False,
                help='Reject images in other formats than raw, for both download and upload.'),
    cfg.IntOpt('image_introspection_cpu_limit', default=60, min=1,
               deprecated_name='image_conversion_cpu_limit',
               help='Limit of CPU time for a conversion, in seconds for each GiB of the disk.'),
    cfg.IntOpt('image_introspection_address_space_limit', default=1, min=1,
               deprecated_name='image_conversion_address_space_limit',
               help='Limit of memory for a conversion, in GiB.'),
]
